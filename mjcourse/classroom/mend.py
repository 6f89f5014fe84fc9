"""A hand-in put back in shape before it is graded: cells that were edited, deleted, doubled or made up.

nbgrader puts the text of locked cells back, the hidden tests among it. It has no answer where a cell is gone, or where
its metadata was changed so that it counts as another; this has, and says what it found.
"""

from __future__ import annotations

import copy

from nbformat import NotebookNode


def name_of(cell: NotebookNode) -> str:
    """Return a cell's grade_id, or "" for a cell that nbgrader does not know."""
    made = cell.get("metadata", {}).get("nbgrader")
    return str(made.get("grade_id", "")) if isinstance(made, dict) else ""


def mend(handed_in: NotebookNode, released: NotebookNode) -> tuple[NotebookNode, list[str]]:
    """Return a hand-in with every cell that was released, and a line for each change that was found.

    Answers stay as they are, and so do cells that were added; of a doubled cell the last counts. A cell that was
    deleted comes back, empty, after the one that it followed.

    Args:
        handed_in, released: the hand-in and what it was made from; neither is changed.
    """
    notebook, notes = copy.deepcopy(handed_in), []
    known = {name_of(cell): cell for cell in released.cells if name_of(cell)}
    last = {name_of(cell): index for index, cell in enumerate(notebook.cells)}
    for index, cell in enumerate(notebook.cells):
        name = name_of(cell)
        if name and (name not in known or last[name] != index):
            notes.append(f"{'doubled' if name in known else 'unknown'} {name}")
        if name in known and last[name] == index:
            notes += _restore(cell, known[name], name)
        else:
            cell.metadata.pop("nbgrader", None)
    there = [name_of(cell) for cell in notebook.cells]
    before = ""
    for name, cell in known.items():
        if name not in there:
            at = there.index(before) + 1 if before else 0
            notebook.cells.insert(at, copy.deepcopy(cell))
            there.insert(at, name)
            notes.append(f"deleted {name}")
        before = name
    order = [name for name in there if name]
    if order != list(known):
        moved = next(name for name, right in zip(order, known, strict=True) if name != right)
        notes.append(f"moved {moved}")
    return notebook, notes


def _restore(cell: NotebookNode, released: NotebookNode, name: str) -> list[str]:
    """Give a cell its kind and metadata back, and its text where that is locked; return what had been changed."""
    locked = not released.metadata.nbgrader.solution
    changed = cell.cell_type != released.cell_type or cell.metadata.nbgrader != released.metadata.nbgrader
    changed = changed or (locked and cell.source.rstrip() != released.source.rstrip())
    if cell.cell_type != released.cell_type:
        cell.cell_type = released.cell_type
        for key in ("outputs", "execution_count", "attachments"):
            cell.pop(key, None)
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    cell.metadata = copy.deepcopy(released.metadata)
    if locked:
        cell.source = released.source
    return [f"edited {name}"] if changed else []
