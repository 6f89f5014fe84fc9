"""What every test gets: folders of its own, one thread, and the same examples each time in CI.

A test never sees or changes the real ``runs/`` and ``.cache/``: paths and environment point into a
temporary folder for the whole session. Nothing here imports torch, so tests without it stay quick.
"""

from __future__ import annotations

import os
import shutil

import hypothesis
import pytest

from mjcourse import config

# Read once, when torch and numpy are first imported: after this file.
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

hypothesis.settings.register_profile("mjcourse", deadline=None, derandomize=bool(os.environ.get("CI")))
hypothesis.settings.load_profile("mjcourse")


@pytest.fixture(scope="session", autouse=True)
def own_folders(tmp_path_factory):
    """Point runs and cache, of this process and of those it starts, at a temporary folder."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("RUNS", "CACHE"):
            patch.setattr(config, name, home / name.lower())
            patch.setenv(f"MJCOURSE_{name}", str(home / name.lower()))
        yield home


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Give an empty ``runs/`` of this test's own."""
    monkeypatch.setattr(config, "RUNS", tmp_path / "runs")
    return config.RUNS


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """Give an empty ``data/weights/`` of this test's own."""
    monkeypatch.setattr(config, "WEIGHTS", tmp_path / "weights")
    return config.WEIGHTS


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Give an empty cache of this test's own."""
    monkeypatch.setattr(config, "CACHE", tmp_path / "cache")
    return config.CACHE


@pytest.fixture(scope="module")
def browser():
    """Chromium without a window; the system's own, since playwright's is not installed with it."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not (chromium := shutil.which("chromium") or shutil.which("chromium-browser")):
        pytest.skip("there is no chromium on this machine: apt-get install chromium")
    with playwright.sync_playwright() as play:
        one = play.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield one
        one.close()
