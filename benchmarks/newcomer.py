"""What a newcomer does, timed: clone into an empty folder, then the README's commands. Writes newcomer.json.

python benchmarks/newcomer.py [--tests]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

from PIL import Image

HERE = Path(__file__).resolve().parent
PROMPTS = {"zh": "太阳沙滩大海", "en": "a red sun over the sea, sandy beach, watercolor"}


def timed(name: str, command: list[str], cwd: Path, **env: str) -> float:
    """Run a command, fail if it fails, and return its seconds."""
    print(f"{name}: {' '.join(command)}", flush=True)
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("VIRTUAL_ENV", "PYTHON", "MJCOURSE"))}
    start = time.perf_counter()
    subprocess.run(command, cwd=cwd, check=True, env=clean | env)
    seconds = time.perf_counter() - start
    print(f"{name}: {seconds:.1f} s", flush=True)
    return round(seconds, 1)


def main() -> None:
    """Clone, install, imagine twice, optionally test; store the seconds and the machine."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tests", action="store_true", help="run `make test` as well")
    tests = parser.parse_args().tests
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "mjcourse"
        subprocess.run(["git", "clone", "--quiet", HERE.parent, clone], check=True)
        found = {"install": timed("install", ["make", "install"], clone)}
        for language, prompt in PROMPTS.items():
            command = ["make", "imagine", f"PROMPT={prompt}", f"OUT={language}.png"]
            found[f"imagine_{language}"] = timed(f"imagine {language}", command, clone)
            Image.open(clone / f"{language}.png").verify()
        if tests:
            found["test"] = timed("test", ["make", "test"], clone)
        who = "from mjcourse.config import hardware; print(hardware())"
        found["hardware"] = subprocess.check_output([clone / ".venv/bin/python", "-c", who], text=True).strip()
    found["cores"] = os.cpu_count()
    found["date"] = time.strftime("%Y-%m-%d")
    old = json.loads((HERE / "newcomer.json").read_text()) if (HERE / "newcomer.json").exists() else {}
    (HERE / "newcomer.json").write_text(json.dumps(old | found, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
