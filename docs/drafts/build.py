"""Turn a draft into a notebook without outputs: ``python docs/drafts/build.py docs/drafts/09_prior.src OUT.ipynb``.

``#%% md`` and ``#%% code [tag]`` begin a cell; a line ``<<path: name, name>>`` stands for those definitions of a file.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = Path(__file__).resolve().parents[2]
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def named(node: ast.stmt) -> str | None:
    """Return the name that a statement defines, if it is a single one."""
    target = node.targets[0] if isinstance(node, ast.Assign) else None
    return getattr(node, "name", None) or getattr(target, "id", None)


def pull(match: re.Match) -> str:
    """Return the source of the definitions that a line names."""
    text = (ROOT / match[1]).read_text("utf-8")
    there, parts = {named(node): node for node in ast.parse(text).body}, []
    for name in match[2].split(","):
        node = there[name.strip()]
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
        parts.append("\n".join(text.splitlines()[first - 1 : node.end_lineno]))
    return "\n\n\n".join(parts)


def main(source: str, out: str) -> None:
    """Write the notebook of a draft, its code sorted and formatted as the notebooks are."""
    cells = []
    for chunk in re.split(r"^#%% ", Path(source).read_text("utf-8"), flags=re.M)[1:]:
        head, body = chunk.split("\n", 1)
        body = body.strip("\n")
        if head.startswith("md"):
            cells.append(new_markdown_cell(body))
            continue
        tag = re.search(r"\[(.*)\]", head)
        body = re.sub(r"^<<(.*?): (.*)>>$", pull, body, flags=re.M)
        body = re.sub(r"(def tiny\(cls\)) -> \w+:", r"\1:", body)  # the class is not there yet
        cells.append(new_code_cell(body, metadata={"tags": [tag[1]]} if tag else {}))
    for i, cell in enumerate(cells):
        cell["id"] = f"cell-{i:02d}"
    language = {"name": "python"}
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": KERNEL, "language_info": language}), out)
    for words in (["check", "--fix", "-q"], ["format", "-q"]):
        subprocess.run([sys.executable, "-m", "ruff", *words, out], cwd=ROOT, check=False)


if __name__ == "__main__":
    main(*sys.argv[1:3])
