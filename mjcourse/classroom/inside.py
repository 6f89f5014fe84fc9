"""Runs in the closed room: executes the notebook that comes on standard input and says a line of JSON for each cell.

Nothing that is said here can be trusted, as the hand-in's own code runs beside it: `steps` takes outputs and nothing
else from it. Lines come as cells end, so that what was done before a crash counts.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import resource
import sys
import time
from pathlib import Path

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbclient.util import ensure_async


class Client(NotebookClient):
    """A notebook client that stops a cell which prints too much, instead of keeping all of it."""

    most = 0  # bytes of output a cell may have
    printed = 0

    def process_message(self, msg, cell, cell_index):
        if msg["msg_type"] in ("stream", "display_data", "execute_result", "error"):
            before, self.printed = self.printed, self.printed + len(json.dumps(msg["content"], default=str))
            if self.printed > self.most and (msg["msg_type"] != "error" or self.printed > 2 * self.most):
                if before <= self.most:
                    cell.outputs.append(error("PrintedTooMuch", f"more than {self.most // 1000} kB; the rest is cut"))
                    self.stopping = asyncio.ensure_future(ensure_async(self.km.interrupt_kernel()))
                return None
        return super().process_message(msg, cell, cell_index)

    async def async_execute_cell(self, cell, cell_index, *more, **named):
        self.printed = 0
        return await super().async_execute_cell(cell, cell_index, *more, **named)


def error(name: str, text: str) -> nbformat.NotebookNode:
    """Return an output that says why a cell earns nothing; nbgrader takes it for a failure."""
    return nbformat.v4.new_output("error", ename=name, evalue=text, traceback=[f"{name}: {text}"])


def limit(memory: int, disk: int, processes: int) -> None:
    """Set what this process and those it starts may use at most, each: MB of data and of a file, and how many.

    Where the user is not the room's own, `processes` is 0, for no limit: Linux would count all that this person runs.
    """
    # Not RLIMIT_AS: torch maps far more than it uses. Data is what is written to; beyond it a MemoryError is raised.
    limits = {resource.RLIMIT_DATA: memory * 2**20, resource.RLIMIT_FSIZE: disk * 2**20, resource.RLIMIT_CORE: 0}
    limits |= {resource.RLIMIT_NOFILE: 1024} | ({resource.RLIMIT_NPROC: processes} if processes else {})
    for name, most in limits.items():
        hard = resource.getrlimit(name)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(name, (most, most))


def own_stdout():
    """Return our standard output as a file and point the kernel's, which would be the same, at nothing."""
    ours = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    return ours


async def execute(notebook: nbformat.NotebookNode, seconds: int, most: int, say) -> None:
    """Execute a notebook's code cells one after the other, whatever they raise.

    Args:
        notebook: what to execute.
        seconds: a cell may take; then it is interrupted.
        most: bytes of output a cell may have.
        say: called with a dictionary after each cell, and at the end.
    """
    manager = AsyncKernelManager(kernel_name="python3", transport="ipc")  # no network in here, not even to ourselves
    trouble = {"ename": "TimeUp", "evalue": f"the cell took more than {seconds} s", "traceback": []}
    client = Client(notebook, km=manager, timeout=seconds, interrupt_on_timeout=True, allow_errors=True)
    client.most, client.error_on_timeout, client.raise_on_iopub_timeout = most, trouble, True
    client.shutdown_kernel = "immediate"

    def mark(cell, cell_index, execute_reply):  # an error that no output tells of: a time-out, a silenced traceback
        told = execute_reply["content"]
        shown = {one.ename for one in cell.outputs if one.output_type == "error"}
        if told["status"] != "ok" and (not shown or told.get("ename") == "TimeUp"):
            cell.outputs.append(error(told.get("ename", "Aborted"), told.get("evalue", "")))

    client.on_cell_executed = mark
    index = 0
    try:
        async with client.async_setup_kernel():
            for index, cell in enumerate(notebook.cells):
                began = time.monotonic()
                if cell.cell_type == "code":
                    await client.async_execute_cell(cell, index)
                    say({"cell": index, "outputs": cell.outputs, "count": cell.get("execution_count"),
                         "seconds": round(time.monotonic() - began, 2)})  # fmt: skip
            say({"end": "done"})
    except DeadKernelError:
        say({"end": "died", "cell": index})
    except CellTimeoutError:
        say({"end": "stuck", "cell": index})
    os._exit(0)  # without waiting for threads of the kernel's channels


def main() -> None:
    """Read the job, write the hand-in's files, set the limits, run."""
    job = json.load(sys.stdin)
    folder = Path(os.environ["HOME"], "work")
    for name, content in job["files"].items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(content))
    folder.mkdir(exist_ok=True)
    os.chdir(folder)
    limit(**job["limits"])
    out = own_stdout()

    def say(line: dict) -> None:
        out.write(json.dumps(line) + "\n")
        out.flush()

    asyncio.run(execute(nbformat.from_dict(job["notebook"]), job["seconds"], job["most"], say))


if __name__ == "__main__":
    main()
