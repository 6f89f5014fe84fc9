"""Make exercises/ from solutions/ with nbgrader; `--check` only compares, `--new NN_name` begins a notebook.

`nbgrader generate_assignment NN_name` gives the same notebooks; this does it for all chapters in one process and
in a folder of its own, so that no gradebook is left behind.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

from mjcourse import config
from mjcourse.config import UserError
from mjcourse.learn import chapters, reference

IMPORT = "from mjcourse.learn import check, hint, progress, solution, start"
HIDDEN = """### BEGIN HIDDEN TESTS
from mjcourse.learn import grade

grade("{chapter}", {number})
### END HIDDEN TESTS"""
KERNEL = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def generate(into: Path) -> None:
    """Write what nbgrader makes of solutions/ to a folder, one folder a chapter.

    Raises:
        UserError: nbgrader is not installed, or refuses a notebook.
    """
    try:
        from nbgrader.apps import NbGraderAPI
    except ImportError as error:
        raise UserError(f"nbgrader is missing ({error}): pip install -c constraints.txt -e '.[test]'") from error
    from traitlets.config import PyFileConfigLoader

    # nbgrader calls `alembic` by name, which is beside this Python but not always on the path.
    os.environ["PATH"] = os.path.dirname(sys.executable) + os.pathsep + os.environ.get("PATH", "")
    with tempfile.TemporaryDirectory() as course:
        shutil.copytree(config.ROOT / "solutions", Path(course) / "solutions")
        settings = PyFileConfigLoader("nbgrader_config.py", path=str(config.ROOT)).load_config()
        settings.CourseDirectory.root = course
        api = NbGraderAPI(config=settings)
        for folder in sorted((Path(course) / "solutions").iterdir()):
            done = api.generate_assignment(folder.name)
            if not done["success"]:
                raise UserError(f"nbgrader refuses solutions/{folder.name}:\n{done.get('log')}{done.get('error', '')}")
        shutil.copytree(Path(course) / "exercises", into, dirs_exist_ok=True)


def differences(made: Path, there: Path) -> list[str]:
    """Return a line for each file that is missing, left over or different."""
    names = {
        path.relative_to(folder).as_posix()
        for folder in (made, there)
        for path in folder.rglob("*")
        if path.is_file() and ".ipynb_checkpoints" not in path.parts
    }
    said = []
    for name in sorted(names):
        if not (made / name).exists():
            said.append(f"exercises/{name} has no source in solutions/")
        elif not (there / name).exists():
            said.append(f"exercises/{name} is missing")
        elif (made / name).read_bytes() != (there / name).read_bytes():
            said.append(f"exercises/{name} is not what solutions/ gives")
    return said


def cell(name: str, source: str, points: int = 0) -> dict:
    """Return a cell of a solutions notebook.

    Args:
        name: ``text``, ``given-…``, ``answer-N`` or ``check-N``: it says what nbgrader does with the cell.
        source: its text.
        points: of a ``check-N`` cell.
    """
    kind = name.split("-")[0]
    made = {"cell_type": "markdown" if kind == "text" else "code", "id": name, "metadata": {}}
    made["source"] = source.splitlines(keepends=True)
    if made["cell_type"] == "code":
        made |= {"execution_count": None, "outputs": []}
        grader = {"schema_version": 3, "grade_id": name, "task": False}
        grader |= {"solution": kind == "answer", "locked": kind != "answer", "grade": kind == "check"}
        made["metadata"]["nbgrader"] = grader | ({"points": points} if kind == "check" else {})
    return made


def notebook(chapter: str, texts: dict[str, str]) -> str:
    """Return a solutions notebook as JSON text, from cell names and their sources.

    A check's source is added here. Names of ``text`` cells need only be different.
    """
    stars = {one.number: one.difficulty for one in chapters.exercises(chapter)}
    made = []
    for name, source in texts.items():
        made.append(cell(name, source))
        if name.startswith("answer-"):
            number = int(name.removeprefix("answer-"))
            hidden = HIDDEN.format(chapter=chapter, number=number)
            made.append(cell(f"check-{number}", f"check({number})\n{hidden}", stars[number]))
    whole = {"cells": made, "metadata": KERNEL, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, indent=1, ensure_ascii=False, sort_keys=True) + "\n"  # as nbformat writes


def skeleton(chapter: str) -> str:
    """Return a solutions notebook with every cell that `EXERCISES` asks for, to be filled in."""
    texts = {"text-top": f"# Exercises · chapter {chapter}", "given-start": f'{IMPORT}\n\nstart("{chapter}")'}
    for one in chapters.exercises(chapter):
        texts[f"text-{one.number}"] = one.heading
        body = f"    {reference.BEGIN}\n    return ...\n    {reference.END}"
        texts[f"answer-{one.number}"] = f'def name():\n    """Return …"""\n{body}'
    return notebook(chapter, texts | {"given-end": "progress()"})


def main(words: list[str] | None = None) -> int:
    """Generate, compare or begin; return 0, or 1 where `--check` found a difference."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with exercises/ and write nothing")
    parser.add_argument("--new", metavar="NN_name", help="begin solutions/NN_name from the chapter's EXERCISES")
    args = parser.parse_args(words)
    if args.new:
        path = reference.notebook(args.new)
        if path.exists():
            raise UserError(f"{path} is there already.")
        text = skeleton(args.new)
        path.parent.mkdir(parents=True)
        path.write_text(text, "utf-8")
        print(f"begun {path}")
        return 0
    there = config.ROOT / "exercises"
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "exercises"
        generate(made)
        said = differences(made, there)
        if not args.check:
            shutil.rmtree(there, ignore_errors=True)
            shutil.copytree(made, there)
    print("\n".join(said) or "exercises/ is what solutions/ gives.")
    if said and args.check:
        print("Run: python scripts/build_exercises.py")
    return 1 if said and args.check else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        sys.exit(f"build_exercises: {error}")
