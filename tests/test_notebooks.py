"""The chapters: executed, light, complete; their code is the package's; their faults turn the evidence red."""

from __future__ import annotations

import ast
import copy
import re
from functools import cache
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from mjcourse.config import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PACKAGE = ROOT / "mjcourse"
MAX_BYTES = 1_500_000
MACHINE_PATH = re.compile(r"(?<![\w.:/])/(?:home|Users|root|tmp|work|var|mnt|opt)/[\w.-]|[A-Z]:\\+Users|site-packages")

chapter = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@cache
def read(path: Path):
    return nbformat.read(path, as_version=4)


def code_cells(path: Path) -> list:
    return [cell for cell in read(path).cells if cell.cell_type == "code" and cell.source.strip()]


def prose(path: Path) -> str:
    return "\n\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")


def headings(path: Path) -> list[str]:
    return [line.lstrip("# ").lower() for line in prose(path).splitlines() if re.match(r"#+ ", line)]


def tags(cell) -> list[str]:
    return cell.metadata.get("tags", [])


def is_evidence(cell) -> bool:
    return cell.cell_type == "code" and re.search(r"^evidence\(", cell.source, re.MULTILINE) is not None


def texts(cell) -> str:
    """Return all text that a cell has printed or shown."""
    parts = []
    for output in cell.outputs:
        parts += [output.get("text", ""), *output.get("traceback", [])]
        parts += [str(value) for kind, value in output.get("data", {}).items() if not kind.startswith("image/")]
    return "\n".join(parts)


# ---- form ----------------------------------------------------------------------------------------


def test_there_are_chapters():
    assert [path.stem for path in NOTEBOOKS][:1] == ["00_welcome"]


@chapter
def test_it_is_a_valid_notebook_of_a_decent_size(path):
    nbformat.validate(read(path))
    assert read(path).metadata.kernelspec.name == "python3"
    assert path.stat().st_size < MAX_BYTES, f"{path.stat().st_size:,} bytes: draw fewer or smaller pictures"


@chapter
def test_every_code_cell_was_run_in_order_and_without_error(path):
    cells = code_cells(path)
    counts = [cell.execution_count for cell in cells]
    assert None not in counts, f"never run: {cells[counts.index(None)].source[:80]!r}"
    assert counts == sorted(counts), "run it from the top before you commit it"
    for cell in cells:
        assert not [o for o in cell.outputs if o.output_type == "error"], cell.source[:200]


@chapter
def test_its_outputs_name_no_folder_of_the_machine_that_ran_it(path):
    for cell in code_cells(path):
        found = MACHINE_PATH.search(texts(cell))
        assert not found, f"{found.group()!r} in the output of {cell.source[:80]!r}"
        assert str(ROOT) not in texts(cell)


@chapter
def test_it_is_committed_without_a_fault(path):
    for cell in code_cells(path):
        if "fault" in tags(cell):
            assert re.match(r"FAULT = None\b", cell.source.strip()), "set FAULT back to None"


# ---- what each chapter holds ---------------------------------------------------------------------


@chapter
def test_it_opens_with_goal_and_time(path):
    top = prose(path)[:4000]
    assert re.search(r"\*\*goal", top, re.IGNORECASE) and re.search(r"\*\*time", top, re.IGNORECASE)
    assert re.search(r"\d+ (minutes|seconds)", top)


@chapter
def test_it_recaps_the_chapter_before(path):
    if path.stem.startswith("00"):
        pytest.skip("nothing comes before it")
    assert any("recap" in heading for heading in headings(path))
    recap = next(c.source for c in read(path).cells if re.search(r"^#+ recap", c.source, re.IGNORECASE | re.MULTILINE))
    assert recap.count("?") >= 2 and recap.count("<details>") >= 2, "two questions with folded answers"


@chapter
def test_it_asks_for_predictions(path):
    assert len(re.findall(r"\bpredict\b", prose(path), re.IGNORECASE)) >= 2


@chapter
def test_it_has_a_failure_lab(path):
    if path.stem[:2] in ("00", "15"):
        pytest.skip("has none by design")
    found = "clinic" in path.stem or any("failure lab" in heading for heading in headings(path))
    assert found and any("fault" in tags(cell) for cell in code_cells(path))


@chapter
def test_it_ends_with_evidence_summary_and_further_reading(path):
    assert sum(is_evidence(cell) for cell in code_cells(path)) == 1
    titles = headings(path)
    assert any("evidence" in title for title in titles)
    assert any("summary" in title for title in titles)
    reading = re.split(r"^#+ .*further reading.*$", prose(path), flags=re.IGNORECASE | re.MULTILINE)
    assert len(reading) == 2 and re.search(r"\b(19|20)\d\d\b", reading[1]), "name sources and their years"


@chapter
def test_no_text_is_left_to_be_written(path):
    for cell in read(path).cells:
        assert cell.source.strip(), "an empty cell"
        if cell.cell_type == "markdown":
            assert not re.search(r"^[A-Z_]+$|\bTODO\b", cell.source.strip()), cell.source[:80]


@chapter
def test_html_folds_are_closed(path):
    assert prose(path).count("<details>") == prose(path).count("</details>")


# ---- the notebook's code is the package's --------------------------------------------------------


class _Bare(ast.NodeTransformer):
    """Drops docstrings and annotations, which a chapter may word for its reader."""

    def visit_FunctionDef(self, node):
        self.generic_visit(node)
        node.returns = None
        return self._without_docstring(node)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node):
        self.generic_visit(node)
        return self._without_docstring(node)

    def visit_arg(self, node):
        node.annotation = None
        return node

    def visit_AnnAssign(self, node):
        self.generic_visit(node)
        node.annotation = ast.Constant(None)
        return node

    @staticmethod
    def _without_docstring(node):
        if ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        return node


def bare(node: ast.stmt) -> str:
    """Return the syntax tree of a definition as text, without docstrings and annotations."""
    return ast.dump(_Bare().visit(copy.deepcopy(node)))


def definitions(tree: ast.Module) -> dict[str, ast.stmt]:
    """Return what a file or a cell defines at its top level: functions, classes, constants."""
    found = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = node
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found[node.target.id] = ast.Assign([node.target], node.value)
    return found


@cache
def package() -> dict[str, list[tuple[str, str]]]:
    """Return name → [(file, bare syntax tree)] over the whole package."""
    found: dict[str, list[tuple[str, str]]] = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        for name, node in definitions(ast.parse(file.read_text("utf-8"))).items():
            found.setdefault(name, []).append((file.relative_to(ROOT).as_posix(), bare(node)))
    return found


@chapter
def test_tagged_cells_hold_the_code_of_the_package(path):
    for cell in code_cells(path):
        if "mjcourse" not in tags(cell):
            continue
        tree = ast.parse(cell.source)
        named = definitions(tree)
        others = [n for n in tree.body if not isinstance(n, ast.Import | ast.ImportFrom)]
        assert len(others) == len(named), f"a tagged cell only defines: {cell.source[:120]!r}"
        for name, node in named.items():
            assert name in package(), f"the package has no {name}"
            files = [file for file, tree_ in package()[name] if tree_ == bare(node)]
            assert files, f"{name} differs from {', '.join(file for file, _ in package()[name])}"


def test_no_class_of_the_models_is_in_two_tagged_cells():
    models = {
        name
        for file in (PACKAGE / "models").rglob("*.py")
        for name, node in definitions(ast.parse(file.read_text("utf-8"))).items()
        if isinstance(node, ast.ClassDef)
    }
    seen: dict[str, str] = {}
    for path in NOTEBOOKS:
        for cell in code_cells(path):
            for name in definitions(ast.parse(cell.source)) if "mjcourse" in tags(cell) else ():
                if name in models:
                    assert name not in seen, f"{name} is in {seen[name]} and in {path.stem}"
                    seen[name] = path.stem


def test_the_comparison_sees_what_matters_and_nothing_else():
    def tree(text):
        return bare(ast.parse(text).body[0])

    plain = tree("def f(x):\n    return x + 1")
    assert tree('def f(x: int) -> int:\n    """Add."""\n    # one\n    return x + 1') == plain
    assert tree("def f(x):\n    return x + 2") != plain
    assert tree("def f(x, y=1):\n    return x + 1") != plain
    assert tree("class A:\n    a: int = 1") == tree('class A:\n    """Doc."""\n    a: float = 1')
    assert tree("class A:\n    a: int = 1") != tree("class A:\n    a: int = 2")


# ---- faults --------------------------------------------------------------------------------------


def faults() -> list:
    """Return a parameter for each fault that a chapter's cell names; the first of a chapter runs in `make test`."""
    found = []
    for path in NOTEBOOKS:
        for cell in code_cells(path):
            if "fault" in tags(cell):
                for k, name in enumerate(re.findall(r'"([\w -]+)"', cell.source.partition("#")[2])):
                    marks = [pytest.mark.slow] if k else []
                    found.append(pytest.param(path, name, marks=marks, id=f"{path.stem}-{name}"))
    return found


@pytest.mark.parametrize(("path", "fault"), faults())
def test_a_fault_turns_the_evidence_red_and_nothing_before_it(path, fault, monkeypatch):
    monkeypatch.setenv("MJCOURSE_PROFILE", "ci")
    notebook = copy.deepcopy(read(path))
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            if "fault" in tags(cell):
                assert cell.source.strip().startswith("FAULT = None")
                cell.source = f"FAULT = {fault!r}"
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(path.parent)}})
    with pytest.raises(CellExecutionError) as caught:
        client.execute()
    red = [c for c in notebook.cells if c.cell_type == "code" and any(o.output_type == "error" for o in c.outputs)]
    assert caught.value.ename == "EvidenceError", str(caught.value)[-2000:]
    assert len(red) == 1 and is_evidence(red[0])
