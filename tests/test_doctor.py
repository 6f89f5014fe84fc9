"""The doctor: sound machines pass, each damage is named with its remedy, a crash stops nothing."""

import hashlib
import json
import subprocess
import sys
import types

import pytest

from mjcourse import config, doctor


def put_weights(folder, stem="flow", content=b"weights"):
    """Write a weights file and its card."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{stem}.safetensors").write_bytes(content)
    card = {"sha256": hashlib.sha256(content).hexdigest()}
    (folder / f"{stem}.json").write_text(json.dumps(card))


@pytest.fixture
def store(monkeypatch, tmp_path):
    """A weights folder with two sound files."""
    folder = tmp_path / "weights"
    put_weights(folder)
    put_weights(folder, "autoencoder-kl")
    monkeypatch.setattr(config, "WEIGHTS", folder)
    monkeypatch.setattr(doctor, "CHECKS", {"weights": doctor.weights})
    return folder


def test_sound_weights(store):
    (check,) = doctor.run_checks()
    assert check.status == "ok" and "autoencoder-kl, flow" in check.detail


def flip(path):
    """Change one byte of a file."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage, said",
    [
        (lambda store: flip(store / "flow.safetensors"), "flow.safetensors is damaged"),
        (lambda store: (store / "flow.safetensors").write_bytes(b"wei"), "flow.safetensors is damaged"),
        (lambda store: (store / "flow.safetensors").unlink(), "flow.safetensors is missing"),
        (lambda store: (store / "flow.json").unlink(), "flow.safetensors has no card"),
        (lambda store: (store / "flow.json").write_text("{"), "flow.json cannot be read"),
        (lambda store: (store / "flow.json").write_text("{}"), "flow.json cannot be read, or has no sha256"),
        (lambda store: (store / "flow.json").write_text("[1]"), "flow.json cannot be read"),
    ],
)
def test_damaged_weights_are_an_error_with_its_remedy(store, damage, said):
    damage(store)
    error, sound = doctor.run_checks()
    assert error.status == "error" and said in error.detail
    assert "git checkout -- data/weights/flow.*" in error.remedy and "mjcourse train" in error.remedy
    assert sound.status == "ok" and sound.detail.endswith("autoencoder-kl")
    assert doctor.main() == 1


def test_no_weights_at_all(store):
    for path in store.iterdir():
        path.unlink()
    (check,) = doctor.run_checks()
    assert check.status == "error" and "mjcourse train all" in check.remedy


@pytest.mark.parametrize("torch_version, built", [("2.13.0+cpu", "a +cpu build of torch"), ("2.9.0", "this torch")])
def test_torchvision_for_another_torch_is_named(monkeypatch, torch_version, built):
    def broken(name):
        if name == "torchvision":
            raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(doctor.importlib, "import_module", broken)
    monkeypatch.setattr(doctor, "version_of", {"torch": torch_version, "torchvision": "0.29.2"}.get)
    ((status, detail, remedy),) = doctor.torch_pair()
    assert status == "error"
    assert "operator torchvision::nms does not exist" in detail and f"does not match {built}" in detail
    assert torch_version in detail and "0.29.2" in detail
    assert "-c constraints.txt" in remedy


def test_torchvision_that_asks_for_another_torch(monkeypatch):
    monkeypatch.setattr(doctor, "version_of", {"torch": "2.1.0", "torchvision": "0.29.2"}.get)
    ((status, detail, _),) = doctor.torch_pair()
    assert status == "error" and "asks for torch" in detail


def test_torch_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    ((status, _, remedy),) = doctor.torch_pair()
    assert status == "error" and "pip install" in remedy


def test_damaged_emoji(monkeypatch):
    fake = types.SimpleNamespace(verify=lambda: ["1f600.png is damaged"])
    monkeypatch.setattr(doctor.importlib, "import_module", lambda name: fake)
    assert list(doctor.emoji_data()) == [("error", "1f600.png is damaged", "git checkout -- data/emoji")]


def test_wrong_variables_are_errors(monkeypatch):
    for variable in ("MJCOURSE_DEVICE", "MJCOURSE_PROFILE"):
        with monkeypatch.context() as patch:
            patch.setenv(variable, "abacus")
            ((status, detail, remedy),) = doctor.compute_device()
            assert status == "error" and "abacus" in detail and remedy


def test_no_compiler_is_a_warning(monkeypatch):
    monkeypatch.setattr(doctor.shutil, "which", lambda name: None)
    ((status, detail, remedy),) = doctor.compiler()
    assert status == "warning" and "torch.compile" in detail and "g++" in remedy


def test_full_disk(monkeypatch):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: types.SimpleNamespace(free=10**8))
    assert {status for status, _, _ in doctor.disk()} == {"error"}
    assert all("MJCOURSE_" in remedy for _, _, remedy in doctor.disk())


def test_little_memory_is_a_warning(monkeypatch):
    import psutil

    room = types.SimpleNamespace(available=2 * doctor.GB, total=4 * doctor.GB)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: room)
    ((status, _, remedy),) = doctor.memory()
    assert status == "warning" and "MJCOURSE_PROFILE=ci" in remedy


def test_missing_widgets(monkeypatch):
    monkeypatch.setattr(doctor, "version_of", lambda package: "missing" if package == "ipywidgets" else "1")
    ((status, detail, remedy),) = doctor.widgets()
    assert status == "error" and "ipywidgets" in detail and "pip install" in remedy


def test_a_crash_is_an_error_of_that_check_alone(monkeypatch, capsys):
    def crash():
        raise ZeroDivisionError("boom")
        yield

    monkeypatch.setattr(doctor, "CHECKS", {"first": crash, "Python": doctor.python_version})
    first, second = doctor.run_checks()
    assert (first.name, first.status) == ("first", "error") and "boom" in first.detail
    assert second.status == "ok"
    assert doctor.main() == 1
    assert "boom" in capsys.readouterr().out


def test_status_is_0_without_errors(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "CHECKS", {"a": lambda: iter([doctor.ok("x"), ("warning", "y", "do z")])})
    assert doctor.main() == 0
    out = capsys.readouterr().out
    assert "do z" in out and "1 ok, 1 warning, 0 error" in out


def test_works_without_rich(monkeypatch, capsys):
    for name in ("rich", "rich.console", "rich.text"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(doctor, "CHECKS", {"a": lambda: iter([("warning", "y", "do z")])})
    assert doctor.main() == 0
    assert "do z" in capsys.readouterr().out


def test_json_of_the_real_machine_and_nothing_else():
    done = subprocess.run(
        [sys.executable, "-m", "mjcourse.cli", "doctor", "--json"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    report = json.loads(done.stdout)
    names = {check["name"] for check in report["checks"]}
    assert names == set(doctor.CHECKS)
    assert {check["status"] for check in report["checks"]} <= {"ok", "warning", "error"}
    assert all(check["remedy"] for check in report["checks"] if check["status"] != "ok")
    assert done.returncode == (1 if report["counts"]["error"] else 0)
    by_name = {check["name"]: check for check in report["checks"]}
    for name in ("Python", "torch pair", "widgets", "kernel"):
        assert by_name[name]["status"] == "ok", by_name[name]


def test_importing_the_doctor_imports_no_torch():
    code = "import sys, mjcourse.doctor; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
