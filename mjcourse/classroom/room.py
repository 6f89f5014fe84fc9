"""A closed room for other people's code: no network, hardly any files, and limits on memory, time and output.

Three ways, from strong to weak; `ways` says which this machine can:

``room``
    Namespaces of Linux, made with util-linux alone: a file system of its own that holds Python, the package and the
    data, read-only, and an empty ``/tmp`` in memory; no network; no sight of other processes. Started as root it runs
    as a user number that nobody else has; otherwise as whoever calls, without any privilege. Its end ends all in it.
``user``
    As root without namespaces (a container): the user number alone. Files that all may read can be read.
``none``
    Limits alone. The code can do whatever its caller can.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
from functools import cache
from pathlib import Path

from mjcourse import config
from mjcourse.classroom import watch
from mjcourse.classroom.watch import Limits, Outcome
from mjcourse.config import UserError

WAYS = ("room", "user", "none")
PROGRAMS = ("unshare", "setpriv", "mount", "chroot")  # of util-linux and coreutils
PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"  # sbin: chroot is there, and not on everybody's path
SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")  # links into /usr on most systems, folders on others
ETC = ("/etc/ld.so.cache", "/etc/fonts", "/etc/alternatives")
DEVICES = ("null", "zero", "full", "random", "urandom")


def ways() -> list[str]:
    """Return the ways that this machine can, strongest first."""
    return [way for way in WAYS if _works(way)]


def chosen(least: str) -> str:
    """Return the strongest way that this machine can.

    Args:
        least: the weakest that will do, one of `WAYS`.

    Raises:
        UserError: there is none, or `least` is no way.
    """
    if least not in WAYS:
        raise UserError(f"there is no isolation {least!r}; allowed are {', '.join(WAYS)}.")
    found = ways()[0]
    if WAYS.index(found) > WAYS.index(least):
        raise UserError(
            f"this machine offers the isolation {found!r} and {least!r} is asked for; grade in a container "
            f"(docs/classroom.md), or accept it: --least {found}"
        )
    return found


def run(module: str, job: bytes, limits: Limits, way: str) -> Outcome:
    """Run a module of this package behind closed doors, with `job` as its standard input.

    Args:
        module: its name; it sees `environment` and starts in an empty folder that it may write to.
        job: what it reads.
        limits: what it may use. Too much of anything ends all its processes at once.
        way: one of `ways()`.
    """
    with tempfile.TemporaryDirectory(prefix="mjcourse-room-") as folder, tempfile.TemporaryFile() as complaints:
        command, more = _start(way, [sys.executable, "-m", module], Path(folder), limits)
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints, start_new_session=True, **more
        )
        outcome = Outcome()
        feed = threading.Thread(target=watch.feed, args=(process.stdin, job), daemon=True)
        read = threading.Thread(target=watch.read, args=(process.stdout, limits, outcome), daemon=True)
        feed.start(), read.start()
        try:
            ended = watch.watch(process, limits, outcome, more.get("user"))
        finally:  # also where the teacher presses Ctrl-C
            watch.end(process, more.get("user"))
        read.join(5)
        outcome.ended = ended
        complaints.seek(max(0, complaints.seek(0, os.SEEK_END) - 2000))
        outcome.complaint = complaints.read().decode("utf-8", "replace").strip()
    return outcome


def environment(home: str) -> dict[str, str]:
    """Return all that code in the room sees of the environment; nothing of the caller's own, where keys may be."""
    said = {name: os.environ[name] for name in ("OMP_NUM_THREADS", "MJCOURSE_PROFILE") if name in os.environ}
    return said | {
        "PATH": f"{Path(sys.executable).parent}:{PATH}", "LANG": "C.UTF-8", "PYTHONUTF8": "1",
        "HOME": home, "TMPDIR": home, "LOGNAME": "learner", "USER": "learner",
        "MJCOURSE_HOME": str(config.ROOT), "MJCOURSE_RUNS": f"{home}/runs", "MJCOURSE_CACHE": f"{home}/cache",
        "PYTHONPATH": str(Path(config.__file__).resolve().parent.parent),
        "MJCOURSE_PROGRESS": "off", "MJCOURSE_DEVICE": "cpu", "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip


def own_user(way: str) -> bool:
    """Return whether code runs as a user of the room's own in this way."""
    return way != "none" and os.geteuid() == 0


def stranger() -> int:
    """Return a user number of this process's own, in a range that Linux gives to nobody for long (DynamicUser)."""
    return 61_200 + os.getpid() % 4_000


def _start(way: str, inner: list[str], folder: Path, limits: Limits) -> tuple[list[str], dict]:
    """Return the command that runs `inner` in this way, and further arguments of Popen."""
    if way == "room":
        own = [] if own_user(way) else ["--user", "--map-root-user"]
        script = _script(inner, folder, limits, stranger() if own_user(way) else None)
        parts = ["--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "--propagation", "private"]
        leash = ["setpriv", "--pdeathsig", "KILL"]  # ends with us, however we end
        return [*leash, "unshare", *own, *parts, "sh", "-c", script], {"env": environment("/tmp"), "cwd": "/"}
    more = {"env": environment(str(folder)), "cwd": folder}
    if way == "user":
        os.chown(folder, stranger(), stranger())
        more |= {"user": stranger(), "group": stranger(), "extra_groups": []}
    return inner, more


def _script(inner: list[str], folder: Path, limits: Limits, user: int | None) -> str:
    """Return shell code that builds the room's file system under `folder`, goes in, drops every right and runs."""
    quote = shlex.quote
    lines = [
        "set -e",
        f"R={quote(str(folder))}",
        f"mount -t tmpfs -o size={limits.disk}m,mode=755,nosuid,nodev room $R",
    ]
    for name in SYSTEM:
        here = Path("/", name)
        if here.is_symlink():
            lines.append(f"ln -s {quote(os.readlink(here))} $R/{name}")
    for path in _shown():
        at = f"$R{quote(str(path))}"
        make = f"mkdir -p {at}" if path.is_dir() else f"mkdir -p $(dirname {at}); : > {at}"
        lines += [make, f"mount --bind {quote(str(path))} {at}", f"mount -o remount,bind,ro,nosuid,nodev {at}"]
    lines += ["mkdir -p $R/dev/shm $R/proc $R/tmp", "chmod 1777 $R/tmp $R/dev/shm", "mount -t proc proc $R/proc"]
    lines += [f": > $R/dev/{name}; mount --bind /dev/{name} $R/dev/{name}" for name in DEVICES]
    drop = ["setpriv", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]
    if user is not None:
        drop += [f"--reuid={user}", f"--regid={user}", "--clear-groups"]
        lines.append(f"mkdir -p $R/etc; echo learner:x:{user}:{user}::/tmp:/bin/sh > $R/etc/passwd")
    lines.append(f"exec chroot $R {shlex.join([*drop, *inner])}")
    return "\n".join(lines)


def _shown() -> list[Path]:
    """Return the files and folders that the room shows, read-only, outer ones first: no solutions, no hand-ins."""
    whole = [Path("/usr"), *(path for name in SYSTEM if (path := Path("/", name)).is_dir() and not path.is_symlink())]
    package = Path(config.__file__).resolve().parent
    more = [Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parent.parent, package]
    more += [config.DATA, *map(Path, ETC)]
    found: list[Path] = []
    for path in sorted({*whole, *(path.absolute() for path in more if path.exists())}):
        if not any(path.is_relative_to(outer) for outer in found):
            found.append(path)
    return found


@cache
def _works(way: str) -> bool:
    """Return whether a program starts in this way."""
    if way == "none":
        return True
    if sys.platform != "linux" or (way == "user" and os.geteuid() != 0):
        return False
    if way == "room" and not all(shutil.which(name, path=PATH) for name in PROGRAMS):
        return False
    with tempfile.TemporaryDirectory(prefix="mjcourse-room-") as folder:
        command, more = _start(way, [sys.executable, "-c", "import mjcourse; print('in')"], Path(folder), Limits())
        try:
            tried = subprocess.run(command, capture_output=True, timeout=30, check=False, **more)
        except (OSError, subprocess.SubprocessError):  # PermissionError: that user cannot reach this Python
            return False
        return tried.stdout.strip() == b"in"
