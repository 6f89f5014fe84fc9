"""``mjcourse doctor``: check this machine and the course's files, and name the remedy (chapter 00).

Each check is a function that returns its findings. A crash in one is an error of that one alone, so
the doctor works on the broken machines it is for; it needs nothing that it checks.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import json as jsonlib
import os
import platform
import shutil
import sys
import timeit
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from mjcourse import config

INSTALL = 'pip install -c constraints.txt -e ".[test]"'
GB = 1024**3
OLDEST_PYTHON = (3, 11)
COLOURS = {"ok": "green", "warning": "yellow", "error": "bold red"}


@dataclass(frozen=True)
class Check:
    """One finding: what was looked at, ``ok``, ``warning`` or ``error``, what was seen, what to do."""

    name: str
    status: str
    detail: str
    remedy: str = ""


Finding = tuple[str, str, str]  # status, detail, remedy


def ok(detail: str) -> Finding:
    """Return the finding that all is well."""
    return "ok", detail, ""


def python_version() -> Iterator[Finding]:
    """Python is as new as the course needs."""
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    new = sys.version_info >= OLDEST_PYTHON
    yield ok(found) if new else ("error", f"{found}; the course needs 3.11", "install it, make .venv anew")


def torch_pair() -> Iterator[Finding]:
    """Torch and torchvision import, and belong together."""
    remedy = f"{INSTALL}  (constraints.txt pins a working pair)"
    seen = f"torch {version_of('torch')} and torchvision {version_of('torchvision')}"
    try:
        importlib.import_module("torch")
        importlib.import_module("torchvision")
    except Exception as error:
        reason = str(error)
        if "torchvision::nms" in reason:
            built = "a +cpu build of torch" if "+cpu" in version_of("torch") else "this torch"
            reason = f"torchvision does not match {built} ({reason})"
        yield "error", f"{seen}: {reason}", remedy
        return
    from packaging.requirements import Requirement

    needs = [Requirement(line) for line in importlib.metadata.requires("torchvision") or []]
    have = version_of("torch")
    broken = [n for n in needs if n.name == "torch" and not n.specifier.contains(have, prereleases=True)]
    yield ("error", f"{seen}, which asks for {broken[0]}", remedy) if broken else ok(seen)


def compute_device() -> Iterator[Finding]:
    """What the models will run on."""
    import torch

    try:
        device = config.device()
        name = torch.cuda.get_device_name() if device.type == "cuda" else platform.machine()
        yield ok(f"{device.type} ({name}), profile {config.profile()}")
    except config.UserError as error:
        yield "error", str(error), "unset the variable, or give it one of these"


def bf16_speed() -> Iterator[Finding]:
    """Whether bfloat16 products are faster than float32 ones; on most laptops they are not."""
    import torch

    device, side = ("cuda", 2048) if torch.cuda.is_available() else ("cpu", 384)
    plain, half = (torch.ones(side, side, dtype=t, device=device) for t in (torch.float32, torch.bfloat16))
    timings = [
        # reading a number waits for the device; the least of many is the one that nothing disturbed
        (timeit.timeit(lambda m=m: float((m @ m)[0, 0]), number=1) for m in (plain, half))
        for _ in range(20)
    ]
    slow, fast = map(min, zip(*timings, strict=True))
    ratio = slow / fast
    verdict = "worth using" if ratio >= 1.2 else "float32 serves better here"
    yield ok(f"bf16 products run at {ratio:.1f} x the speed of float32: {verdict}")


def threads() -> Iterator[Finding]:
    """Torch's threads against the cores that this process may use."""
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    used = torch.get_num_threads()
    detail, remedy = f"torch uses {used} of {cores} cores", f"unset OMP_NUM_THREADS, or set it to {cores}"
    odd = used > cores or (used == 1 and cores > 2)
    yield ("warning", detail, remedy) if odd else ok(detail)


def memory() -> Iterator[Finding]:
    """Free main memory against what a chapter may need: 4 GB in the ci profile, else 6 GB."""
    import psutil

    room = psutil.virtual_memory()
    need = config.by_profile(ci=4, cpu=6, gpu=6)
    detail = f"{room.available / GB:.1f} of {room.total / GB:.1f} GB free; a chapter may need {need} GB"
    short = room.available < need * GB
    yield (("warning", detail, "close other programs, or set MJCOURSE_PROFILE=ci (4 GB)") if short else ok(detail))


def disk() -> Iterator[Finding]:
    """Room, and the right to write, where runs and caches go."""
    for variable, folder in (("MJCOURSE_RUNS", config.RUNS), ("MJCOURSE_CACHE", config.CACHE)):
        there = next(parent for parent in (folder, *folder.parents) if parent.exists())
        free = shutil.disk_usage(there).free / GB if os.access(there, os.W_OK) else 0.0
        status = "ok" if free >= 3 else "warning" if free >= 0.5 else "error"
        detail = f"{folder.name}: {free:.1f} GB that can be written; training wants 3 GB"
        yield status, detail, "" if free >= 3 else f"make room, or set {variable} to another folder"


def compiler() -> Iterator[Finding]:
    """A C++ compiler, which torch.compile needs on a CPU."""
    names = [os.environ.get("CXX", ""), "g++", "clang++", "c++", "cl"]
    found = " ".join(name for name in names if name and shutil.which(name))
    lost = "none: torch.compile is skipped, training is slower, nothing else is lost"
    remedy = "Debian: apt-get install g++ · macOS: xcode-select --install · Windows: VS Build Tools"
    yield ok(found) if found else ("warning", lost, remedy)


def widgets() -> Iterator[Finding]:
    """JupyterLab, and the parts that make ipywidgets show in it."""
    packages = ("jupyterlab", "ipywidgets", "widgetsnbextension", "jupyterlab_widgets")
    from jupyter_core.paths import jupyter_path

    missing = [package for package in packages if version_of(package) == "missing"]
    built = "@jupyter-widgets/jupyterlab-manager/package.json"
    if not any((Path(folder) / built).is_file() for folder in jupyter_path("labextensions")):
        missing.append("the labextension @jupyter-widgets/jupyterlab-manager")
    seen = ", ".join(f"{package} {version_of(package)}" for package in packages)
    remedy = "pip install --force-reinstall --no-deps -c constraints.txt " + " ".join(packages)
    yield ("error", f"missing: {', '.join(missing)}", remedy) if missing else ok(seen)


def kernel() -> Iterator[Finding]:
    """The notebook kernel ``python3`` that the chapters name."""
    from jupyter_client.kernelspec import KernelSpecManager

    remedy = "python -m ipykernel install --sys-prefix"
    specs = KernelSpecManager().find_kernel_specs()
    if "python3" not in specs:
        yield "error", "there is no kernel python3", remedy
    elif Path(sys.prefix).resolve() not in Path(specs["python3"]).resolve().parents:
        yield "warning", "the kernel python3 is another Python's, without the course's packages?", remedy
    else:
        yield ok("python3")


def emoji_data() -> Iterator[Finding]:
    """The real art is there and unchanged."""
    problems = importlib.import_module("mjcourse.data.emoji").verify()
    yield from (("error", str(problem), "git checkout -- data/emoji") for problem in problems)
    if not problems:
        yield ok("complete and intact")


def weights() -> Iterator[Finding]:
    """Each weights file has its card, each card its file, and the card's hash is the file's."""
    stems = {path.stem for end in ("safetensors", "json") for path in config.WEIGHTS.glob(f"*.{end}")}
    if not stems:
        yield "error", "there are none", "git checkout -- data/weights, or mjcourse train all"
    problems = {stem: damage(stem) for stem in sorted(stems)}
    for stem, problem in problems.items():
        if problem:
            yield "error", problem, f"git checkout -- data/weights/{stem}.*, or mjcourse train all"
    if sound := [stem for stem, problem in problems.items() if not problem]:
        yield ok(f"as their cards say: {', '.join(sound)}")


def damage(stem: str) -> str | None:
    """Return what is wrong between a weights file and its card, or None."""
    file, card = (config.WEIGHTS / f"{stem}.{end}" for end in ("safetensors", "json"))
    if not file.is_file():
        return f"{file.name} is missing, though its card is there"
    if not card.is_file():
        return f"{file.name} has no card ({card.name})"
    try:
        expected = jsonlib.loads(card.read_text(encoding="utf-8"))["sha256"]
    except (ValueError, KeyError, TypeError):
        return f"the card {card.name} cannot be read, or has no sha256"
    with file.open("rb") as stream:
        same = hashlib.file_digest(stream, "sha256").hexdigest() == expected
    return None if same else f"{file.name} is damaged, or of another version than its card"


CHECKS: dict[str, Callable[[], Iterator[Finding]]] = {
    "Python": python_version, "torch pair": torch_pair, "device": compute_device, "bf16": bf16_speed,
    "threads": threads, "memory": memory, "disk": disk, "C++ compiler": compiler, "widgets": widgets,
    "kernel": kernel, "emoji data": emoji_data, "weights": weights,
}  # fmt: skip


def version_of(package: str) -> str:
    """Return the installed version of a package, or ``missing``."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "missing"


def run_checks() -> list[Check]:
    """Run every check; one that crashes is an error of its own and stops no other."""
    found: list[Check] = []
    for name, check in CHECKS.items():
        try:
            found += [Check(name, *finding) for finding in check()]
        except Exception as error:
            found.append(Check(name, "error", f"{type(error).__name__}: {error}", INSTALL))
    return found


def main(json: bool = False) -> int:
    """Print the findings, each with its remedy; return 1 where one of them is an error, else 0."""
    found = run_checks()
    counts = {status: sum(check.status == status for check in found) for status in COLOURS}
    if json:
        report = {"counts": counts, "checks": [asdict(check) for check in found]}
        print(jsonlib.dumps(report, indent=2, ensure_ascii=False))
    else:
        show(found)
        print(", ".join(f"{count} {status}" for status, count in counts.items()))
    return 1 if counts["error"] else 0


def show(found: list[Check]) -> None:
    """Print findings and remedies in colour, and plainly where even rich is missing."""
    try:
        from rich.console import Console
        from rich.text import Text
    except ImportError:
        say, Text = print, lambda text, colour: text
    else:
        say = Console(soft_wrap=True, highlight=False).print
    for check in found:
        say(Text(f"{check.status:8} {check.name:13} {check.detail}", COLOURS[check.status]))
        if check.remedy:
            say(Text(f"{'':22} → {check.remedy}", "cyan"))
