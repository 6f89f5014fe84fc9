"""Two steps of nbgrader's own `autograde`, named in nbgrader_config.py: `Mend` the hand-in, run it `Isolated`.

So they hold wherever nbgrader grades: on its command line, by its button in JupyterLab, in scripts/grade_class.py.
What a hand-in's code could touch is copied in and thrown away; gradebook and points stay outside, in nbgrader.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import Execute, NbGraderPreprocessor
from traitlets import Float, Integer, Unicode

from mjcourse.classroom import room
from mjcourse.classroom.mend import mend
from mjcourse.config import UserError

FILES = 20 * 2**20  # bytes that a hand-in's further files may have together
ENDINGS = {
    "time": ("TimeUp", "the notebook took more than {seconds:g} s"),
    "stuck": ("TimeUp", "the cell took more than {timeout} s and did not heed the interrupt"),
    "memory": ("MemoryUp", "the notebook took more than {memory} MB of memory"),
    "output": ("PrintedTooMuch", "the notebook has too much output"),
    "died": ("KernelDied", "the kernel died here"),
}
KINDS = ("stream", "display_data", "execute_result", "error")


class Mend(NbGraderPreprocessor):
    """Puts back cells that were deleted and metadata that was changed; before nbgrader's own sanitizing steps."""

    def preprocess(self, nb: NotebookNode, resources: Mapping) -> tuple[NotebookNode, Mapping]:
        """Mend a hand-in by what was released.

        Raises:
            UserError: the released notebook is missing.
        """
        about = resources["nbgrader"]
        course = CourseDirectory(parent=self)
        folder = course.format_path(course.release_directory, ".", about["assignment"])
        released = Path(folder) / f"{about['notebook']}.ipynb"
        if not released.exists():
            raise UserError(f"{released} is missing; run: nbgrader generate_assignment {about['assignment']} --force")
        nb, notes = mend(nb, nbformat.read(released, as_version=4))
        for note in notes:
            self.log.warning("mended: %s", note)
        return nb, resources


class Isolated(Execute):
    """Executes a hand-in in a closed room, in place of nbgrader's Execute, which runs it as whoever grades."""

    least = Unicode("room", help="the weakest isolation that will do: room, user or none").tag(config=True)
    memory = Integer(room.Limits.memory, help="MB of memory for a whole notebook").tag(config=True)
    seconds = Float(room.Limits.seconds, help="seconds for a whole notebook; `timeout` is for a cell").tag(config=True)
    output = Integer(2_000_000, help="bytes of output that a cell may have").tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: Mapping, km=None) -> tuple[NotebookNode, Mapping]:
        """Execute a notebook; a cell that did not come to its end gets an error as its output.

        Raises:
            UserError: this machine cannot isolate as asked.
        """
        limits, way = room.Limits(memory=self.memory, seconds=self.seconds), room.chosen(self.least)
        processes = limits.processes if room.own_user(way) else 0
        job = {
            "notebook": nb,
            "files": _files(Path(resources["metadata"]["path"])),
            "seconds": self.timeout,
            "most": self.output,
            "limits": {"memory": limits.memory, "disk": limits.disk, "processes": processes},
        }
        outcome = room.run("mjcourse.classroom.inside", json.dumps(job).encode(), limits, way)
        ran, ended = read(outcome, len(nb.cells))
        if ended != "done":
            self.log.warning("the notebook ended early: %s %s", ended, outcome.complaint[-300:])
        name, text = ENDINGS.get(ended, ENDINGS["died"])
        stopped = nbformat.v4.new_output("error", ename=name, evalue=text.format(**self.trait_values()), traceback=[])
        for index, cell in enumerate(nb.cells):
            if cell.cell_type != "code":
                continue
            if index in ran:
                cell.outputs, cell.execution_count = ran[index]
            elif cell.source.strip():
                cell.outputs, cell.execution_count = [stopped], None
                stopped = nbformat.v4.new_output("error", ename="NotRun", evalue="the notebook had ended", traceback=[])
            if cell.metadata.get("nbgrader", {}).get("grade"):
                for one in cell.outputs:  # nbgrader takes any line on stderr for a failure; a warning is none
                    if one.output_type == "stream":
                        one.name = "stdout"
        return nb, resources


def read(outcome: room.Outcome, count: int) -> tuple[dict[int, tuple[list, int | None]], str]:
    """Read what came out of the room, which may be anything.

    Returns:
        Cell → its outputs and execution count, for the cells that came to their end; and how all of it ended.
    """
    ran, ended = {}, outcome.ended if outcome.ended != "done" else "died"  # until it says otherwise
    for line in outcome.lines:
        try:
            said = json.loads(line)
            if "end" in said:
                ended = str(said["end"]) if outcome.ended in ("done", "died") else ended
                continue
            outputs = [nbformat.from_dict(one) for one in said["outputs"]]
            if not all(one.output_type in KINDS for one in outputs):
                continue
            for one in outputs:
                nbformat.v4.nbbase.validate(one, one.output_type)
            number = said["count"] if type(said["count"]) is int else None
            if type(said["cell"]) is int and 0 <= said["cell"] < count:
                ran[said["cell"]] = (outputs, number)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, nbformat.ValidationError):
            continue  # no line of ours
    return ran, ended


def _files(folder: Path) -> dict[str, str]:
    """Return the files beside a notebook, by name, in base64.

    Raises:
        UserError: they are too large, or links.
    """
    found, total = {}, 0
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            raise UserError(f"the hand-in holds a link, {path.name}; only files can be graded.")
        if path.is_file() and path.suffix != ".ipynb":
            total += path.stat().st_size
            if total > FILES:
                raise UserError(f"the hand-in's files take more than {FILES // 2**20} MB; ask for a smaller one.")
            found[path.relative_to(folder).as_posix()] = base64.b64encode(path.read_bytes()).decode()
    return found
