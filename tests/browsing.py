"""A real Jupyter server, to be looked at with a real browser: the fixture `browser`."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import psutil

WAIT = 240  # seconds


@contextmanager
def serving(home: Path, *command: str, at: Path | None = None):
    """Run a Jupyter server; yield its address and its process.

    Args:
        home: for what it keeps.
        command: a module and its options.
        at: the folder to start in, by default `home`.
    """
    names = {"CONFIG_DIR": "config", "DATA_DIR": "data", "RUNTIME_DIR": "runtime"}
    env = os.environ | {f"JUPYTER_{name}": str(home / folder) for name, folder in names.items()}
    env |= {"IPYTHONDIR": str(home / "ipython"), "MJCOURSE_RUNS": str(home / "runs"), "PYTHONUNBUFFERED": "1"}
    env |= {"JUPYTERLAB_SETTINGS_DIR": str(home / "settings"), "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces")}
    (home / "config" / "labconfig").mkdir(parents=True, exist_ok=True)
    no_news = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}  # it would ask the network
    (home / "config" / "labconfig" / "page_config.json").write_text(json.dumps(no_news))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with open(home / "server.log", "ab") as log:
        server = subprocess.Popen([sys.executable, "-m", *command, "--no-browser", f"--port={port}"], env=env,
                                  stdout=log, stderr=log, cwd=at or home)  # fmt: skip
    try:
        until = time.monotonic() + WAIT
        while True:
            assert server.poll() is None and time.monotonic() < until, (home / "server.log").read_text()[-2000:]
            try:
                socket.create_connection(("127.0.0.1", port), timeout=WAIT).close()
                break
            except OSError:
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}", server
    finally:
        for process in [*psutil.Process(server.pid).children(recursive=True), server]:
            process.terminate()
        server.wait(30)
