"""``mjcourse check NOTEBOOK``: run an exercise notebook in a kernel of its own and say which answers are right.

The notebook's code runs as the person who calls this. That is for one's own notebook; hand-ins of others belong
behind the isolation that the teacher's guide describes.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict
from pathlib import Path

from mjcourse.config import UserError
from mjcourse.learn import chapters, coach, record, reference
from mjcourse.learn.exercise import RIGHT, WRONG, Verdict, judge

CELL_SECONDS = 60  # after which a cell is interrupted
MARK = "mjcourse-verdicts "  # before the line with the verdicts


def check_command(path: Path | None, as_json: bool = False) -> int:
    """Print a line an exercise and the score; return 0 where all are right, else 1.

    Raises:
        UserError: there is no such notebook, or it holds no exercises.
    """
    if path is None:
        raise UserError("the notebook is missing: mjcourse check exercises/02_vae/02_vae.ipynb")
    chapter, verdicts = score(path)
    titles = {one.number: one.title for one in chapters.exercises(chapter)}
    right = sum(verdict.state == RIGHT for verdict in verdicts.values())
    if as_json:
        said = [{"exercise": n, "title": titles[n], **asdict(verdict)} for n, verdict in verdicts.items()]
        print(json.dumps({"chapter": chapter, "right": right, "of": len(said), "exercises": said}, ensure_ascii=False))
    else:
        print("\n".join(coach.line(n, titles[n], verdict) for n, verdict in verdicts.items()))
        print(f"{chapter}: {right} of {len(verdicts)} right.")
    return 0 if right == len(verdicts) else 1


def score(path: Path) -> tuple[str, dict[int, Verdict]]:
    """Run a notebook and return its chapter and the verdict on each exercise.

    A cell that raises does not stop the others; one that takes more than `CELL_SECONDS` is interrupted. Where the
    kernel dies, every exercise is wrong and the message names the cell.

    Raises:
        UserError: there is no such notebook, or it holds no exercises.
    """
    chapter = chapter_of(path)
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    notebook = nbformat.read(path, as_version=4)
    kept = [cell for cell in notebook.cells if not cell.metadata.get("nbgrader", {}).get("grade")]  # not checked twice
    asked = f"from mjcourse.learn.score import tell\ntell({chapter!r})"
    notebook.cells = [*kept, nbformat.v4.new_code_cell(asked)]
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    client = NotebookClient(
        notebook, timeout=CELL_SECONDS, interrupt_on_timeout=True, allow_errors=True,
        resources={"metadata": {"path": str(path.resolve().parent)}},
    )  # fmt: skip
    environment = {**os.environ, record.SWITCH: "off"}
    try:
        client.execute(env=environment)
    except (DeadKernelError, CellTimeoutError):
        ran = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.get("execution_count")]
        where = (ran[-1].source.strip().splitlines() or ["?"])[0] if ran else "the first cell"
        return chapter, _all_wrong(chapter, f"the notebook's kernel died in or after the cell {where!r}.")
    printed = "".join(output.get("text", "") for output in notebook.cells[-1].outputs)
    lines = [line.removeprefix(MARK) for line in printed.splitlines() if line.startswith(MARK)]
    if not lines:
        return chapter, _all_wrong(chapter, "the checks did not finish; run the notebook's cells one by one.")
    return chapter, {int(number): Verdict(*verdict) for number, verdict in json.loads(lines[-1]).items()}


def chapter_of(path: Path) -> str:
    """Return the chapter that a notebook starts, by its first ``start("…")``.

    Raises:
        UserError: there is no such notebook, or it starts none.
    """
    for cell in reference.cells(path):
        if cell.kind == "code" and (found := re.search(r"""^start\(["']([^"']+)["']\)""", cell.source, re.MULTILINE)):
            chapters.exercises(found[1])
            return found[1]
    raise UserError(f'{path} is no exercise notebook: it has no line start("…"); take one from exercises/.')


def tell(chapter: str) -> None:
    """Check every exercise in this kernel and print the verdicts as a line of JSON; `score` reads it."""
    names = coach.names_here()
    verdicts = {one.number: judge(one, names, coach.GRADING_SEED) for one in chapters.exercises(chapter)}
    print(MARK + json.dumps({number: (verdict.state, verdict.message) for number, verdict in verdicts.items()}))


def _all_wrong(chapter: str, message: str) -> dict[int, Verdict]:
    return {one.number: Verdict(WRONG, message) for one in chapters.exercises(chapter)}
