"""The training loop and its files: repeatable to the last bit, and nothing is lost when things go wrong."""

from __future__ import annotations

import copy
import csv
import hashlib
import json
import math
import os
import shutil
import signal
import threading
from dataclasses import dataclass, replace

import pytest
import torch
from torch import nn

from mjcourse import config, files
from mjcourse.config import UserError
from mjcourse.data.scenes import DATA_VERSION
from mjcourse.files import sha256, write_atomically
from mjcourse.training import loop
from mjcourse.training.loop import Ema, LoopConfig, Trainer, learning_rate
from mjcourse.training.recipe import train_stage
from mjcourse.weights import find_weights, load_tensors, load_weights, pack, save_tensors, save_weights, unpack


@dataclass(frozen=True)
class Size:
    width: int = 8
    kind: tuple[int, ...] = (1, 2)


class Net(nn.Module):
    """Convolution, batch norm (whose state is no parameter) and a linear layer, channels last."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.cfg = Size(width)
        self.conv, self.norm = nn.Conv2d(3, width, 3, padding=1), nn.BatchNorm2d(width)
        self.out = nn.Linear(width * 16, 2)

    def forward(self, x):
        return self.out(torch.relu(self.norm(self.conv(x))).flatten(1))


def net_loss(net, step):
    g = config.generator(7, step)
    x = torch.randn(8, 3, 4, 4, generator=g).to(memory_format=torch.channels_last)
    y = net(x).float()
    wanted = torch.stack([x.mean((1, 2, 3)), x[:, 0].amax((1, 2))], 1)
    loss = ((y - wanted) ** 2).mean()
    return loss, {"size": y.detach().abs().mean()}


def trainer(folder=None, *, seed=0, loss=net_loss, identity="a", check=None, width=8, **cfg) -> Trainer:
    torch.manual_seed(seed)
    settings = {"steps": 12, "warmup": 3, "log_every": 2, "check_every": 4, "save_every": 5, "amp": False} | cfg
    net = Net(width).to(memory_format=torch.channels_last)
    return Trainer(net, loss, LoopConfig(**settings), folder, {"stage": identity}, check, report=lambda row: None)


def state(run: Trainer) -> dict:
    """Return all that a run's future depends on, by name."""
    found = {f"model/{k}": v for k, v in run.model.state_dict().items()}
    found |= {f"ema/{k}": v for k, v in run.ema.values.items()}
    for k, optimizer in enumerate(run.optimizers):
        for i, part in optimizer.state_dict()["state"].items():
            found |= {f"optimizer/{k}/{i}/{name}": v for name, v in part.items()}
    return {name: t.clone() for name, t in found.items()}


def same(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def one_line(caught) -> str:
    text = str(caught.value)
    assert "\n" not in text and len(text) < 400
    return text


def no_room(*_):
    raise OSError(28, "No space left on device")


# ---- schedule, average, clipping -----------------------------------------------------------------


def test_learning_rate():
    cfg = LoopConfig(steps=110, lr=2.0, lr_end=0.1, warmup=10)
    assert [learning_rate(s, cfg) for s in (0, 4, 9)] == pytest.approx([0.2, 1.0, 2.0])
    assert learning_rate(10, cfg) == pytest.approx(2.0)
    assert learning_rate(60, cfg) == pytest.approx(2 * (0.1 + 0.9 / 2))
    assert learning_rate(35, cfg) == pytest.approx(2 * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi / 4))))
    assert learning_rate(110, cfg) == learning_rate(200, cfg) == pytest.approx(0.2)
    after = [learning_rate(s, cfg) for s in range(10, 111)]
    assert after == sorted(after, reverse=True)
    assert learning_rate(0, LoopConfig(steps=5, lr=2.0, warmup=0)) == pytest.approx(2.0)


def test_the_schedule_reaches_the_optimizer():
    seen = []

    def loss(net, step):
        seen.append(run.optimizers[0].param_groups[0]["lr"])
        return net_loss(net, step)

    run = trainer(loss=loss)
    run.fit()
    assert seen == [learning_rate(s, run.cfg) for s in range(12)]


def test_average_warms_up():
    net = nn.Linear(1, 1, bias=False)
    nn.init.constant_(net.weight, 1.0)
    net.register_buffer("count", torch.tensor(0))
    ema, wanted = Ema(net, 0.9), 1.0
    for step in range(200):
        with torch.no_grad():
            net.weight.fill_(float(step))
            net.count.fill_(step)
        ema.update(net, step)
        decay = min(0.9, (1 + step) / (10 + step))
        wanted = decay * wanted + (1 - decay) * step
        assert float(ema.values["weight"]) == pytest.approx(wanted, rel=1e-5)
        assert int(ema.values["count"]) == step
    assert net.weight.item() == 199  # the model itself is left alone


def test_applied_lends_and_gives_back():
    net = Net()
    ema = Ema(net, 0.5)
    with torch.no_grad():
        net.conv.weight.add_(1)
    own = copy.deepcopy(net.state_dict())
    with pytest.raises(RuntimeError, match="inside"), ema.applied(net) as lent:
        assert lent is net and same(net.state_dict(), ema.values)
        assert not torch.equal(net.conv.weight, own["conv.weight"])
        raise RuntimeError("inside")
    assert same(net.state_dict(), own)


def test_averaged_is_the_average():
    run = trainer()
    run.fit()
    wanted = {k: v.clone() for k, v in run.ema.values.items()}
    assert not torch.equal(wanted["conv.weight"], run.model.conv.weight)
    net = run.averaged()
    assert same(net.state_dict(), wanted) and not net.training


def test_gradients_are_clipped():
    run = trainer(loss=lambda net, step: (net_loss(net, step)[0] * 1e4, {}), clip=0.5, steps=3, log_every=1)
    run.fit()
    norm = torch.cat([p.grad.flatten() for p in run.model.parameters()]).norm()
    assert float(norm) == pytest.approx(0.5, rel=1e-3)
    assert min(row["grad_norm"] for row in run.log) > 5  # what is logged is the norm before


# ---- what is written and told --------------------------------------------------------------------


def test_log_and_checks(tmp_path):
    modes = []

    def check(net, step):
        modes.append((net.training, torch.is_grad_enabled(), same(net.state_dict(), run.ema.values)))
        return {"val": torch.tensor(step / 2)}

    run = trainer(tmp_path, check=check, check_every=3)
    done = run.fit()
    assert (done.steps, done.interrupted) == (12, False)
    assert modes == [(False, False, True)] * 4 and not run.model.training
    with open(tmp_path / "log.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == [2, 3, 4, 5, 6, 8, 9, 10, 12]  # each 2, 3 (checks), 5 (saves)
    assert set(rows[0]) == {"step", "seconds", "loss", "size", "grad_norm", "val"}
    assert {int(row["step"]): float(row["val"]) for row in rows if row["val"]} == {3: 1.5, 6: 3, 9: 4.5, 12: 6}
    assert [float(row["loss"]) for row in rows] == [row["loss"] for row in run.log]
    assert not list(tmp_path.glob("*.partial"))


def test_rows_are_told_with_the_time_left(capsys):
    rows = []
    run = trainer(steps=4)
    run.report = rows.append
    run.fit()
    assert [row["step"] for row in rows] == [2, 4]
    assert rows[0]["eta"] == pytest.approx(rows[0]["seconds"], abs=0.11) and rows[-1]["eta"] == 0
    loop.print_row(rows[0])
    line = capsys.readouterr().out
    assert line.count("\n") == 1 and "step      2" in line and "loss" in line and "min left" in line


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_broken_loss_stops_with_its_step(tmp_path, bad):
    def loss(net, step):
        value, parts = net_loss(net, step)
        return value * (bad if step == 6 else 1), parts

    run = trainer(tmp_path, loss=loss, log_every=1)
    with pytest.raises(UserError, match=r"the loss became (nan|inf) at step 7: lower the learning rate"):
        run.fit()
    assert load_tensors(run.checkpoint)[1]["step"] == 5


def test_a_broken_loss_is_never_saved(tmp_path):
    def loss(net, step):
        value, parts = net_loss(net, step)
        return value * (math.nan if step == 6 else 1), parts

    run = trainer(tmp_path, loss=loss, log_every=1000)
    with pytest.raises(UserError, match="at step 10"):  # where it would have been saved
        run.fit()
    tensors, meta = load_tensors(run.checkpoint)
    assert meta["step"] == 5 and all(torch.isfinite(t).all() for t in tensors.values())


def test_a_broken_gradient_is_never_saved(tmp_path):
    def loss(net, step):
        value, parts = net_loss(net, step)
        root = (net.out.bias - net.out.bias.detach()).square().sum().sqrt()  # whose slope at 0 is infinite
        return value + (root if step == 4 else 0), parts

    run = trainer(tmp_path, loss=loss, log_every=1000)
    with pytest.raises(UserError, match="the grad_norm became nan at step 5"):
        run.fit()
    assert not run.checkpoint.exists()


def test_without_a_folder_nothing_is_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = trainer()
    assert run.resume() is False and run.checkpoint is None
    assert run.fit().steps == 12
    assert list(tmp_path.iterdir()) == []


def test_without_a_compiler_training_is_eager(monkeypatch, capsys):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(torch, "compile", lambda *_, **__: pytest.fail("compiled without a compiler"))
    plain, run = trainer(), trainer(compile=True)
    plain.fit()
    run.fit()
    out = capsys.readouterr().out
    assert out.count("\n") == 1 and "no C++ compiler found" in out
    assert same(state(run), state(plain))


def test_with_a_compiler_the_model_is_compiled(monkeypatch):
    asked = []
    monkeypatch.setattr(shutil, "which", lambda name: name)
    monkeypatch.setattr(torch, "compile", lambda net, **how: asked.append(how) or net)
    run = trainer(compile=True)
    run.fit()
    assert asked == [{"dynamic": False}]


# ---- resume --------------------------------------------------------------------------------------


class Crash(Exception):
    pass


def crashing(at):
    def loss(net, step):
        if step == at:
            raise Crash
        return net_loss(net, step)

    return loss


@pytest.mark.parametrize("amp", [False, True])
@pytest.mark.parametrize("at", [5, 8, 10])
def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path, monkeypatch, amp, at):
    monkeypatch.setattr(loop, "fast_bf16", lambda device: True)
    whole = trainer(tmp_path / "whole", amp=amp)
    whole.fit()
    with pytest.raises(Crash):
        trainer(tmp_path / "broken", amp=amp, loss=crashing(at)).fit()
    again = trainer(tmp_path / "broken", amp=amp, seed=99)  # other weights at first: all come from the file
    assert again.resume() is True and again.step == at // 5 * 5
    assert again.model.conv.weight.is_contiguous(memory_format=torch.channels_last)
    again.fit()
    assert same(state(again), state(whole))
    keep = [[{k: v for k, v in row.items() if k != "seconds"} for row in run.log] for run in (again, whole)]
    assert keep[0] == keep[1]
    for name, t in state(whole).items():
        assert state(again)[name].stride() == t.stride()  # and the next step adds in the same order


class TwoKinds(Net):
    """A net whose last layer asks for Muon."""

    def hidden_matrices(self):
        return [self.out.weight]


def muon_run(folder=None) -> Trainer:
    torch.manual_seed(0)
    settings = {"steps": 9, "warmup": 3, "log_every": 2, "check_every": 4, "save_every": 3, "amp": False, "muon": True}
    return Trainer(TwoKinds(), net_loss, LoopConfig(**settings), folder, {}, report=lambda row: None)


def test_muon_takes_the_hidden_matrices_and_nothing_else():
    adam, muon = muon_run().optimizers
    assert isinstance(adam, torch.optim.AdamW) and isinstance(muon, torch.optim.Muon)
    net = muon_run().model
    taken = [p.shape for p in muon.param_groups[0]["params"]]
    assert taken == [net.out.weight.shape]
    assert len(adam.param_groups[0]["params"]) == len(list(net.parameters())) - 1


def test_muon_steps_are_orthogonal_and_of_adams_size():
    run = muon_run()
    run.cfg = replace(run.cfg, steps=1)
    before = run.model.out.weight.detach().clone()
    run.fit()
    lr = learning_rate(0, run.cfg)
    step = (before * (1 - lr * run.cfg.weight_decay) - run.model.out.weight.detach()) / lr
    spread = torch.linalg.svdvals(step)
    assert spread.max() / spread.min() < 2  # all directions move alike, as far as five Newton-Schulz steps go
    assert 0.1 < step.pow(2).mean().sqrt() < 0.4  # AdamW's steps are of size 0.2 to 0.4


def test_a_resumed_muon_run_equals_an_uninterrupted_one(tmp_path):
    whole, half = muon_run(), muon_run(tmp_path)
    whole.fit()

    def until(net, step):
        if step == 7:
            raise RuntimeError("power cut")
        return net_loss(net, step)

    half.loss = until
    with pytest.raises(RuntimeError, match="power cut"):
        half.fit()
    again = muon_run(tmp_path)
    assert again.resume() and again.step == 6
    again.fit()
    assert same(state(again), state(whole))


def test_bf16_is_used_when_asked(monkeypatch):
    seen = []

    def loss(net, step):
        seen.append(net.out(torch.ones(1, 128)).dtype)
        return net_loss(net, step)

    monkeypatch.setattr(loop, "fast_bf16", lambda device: True)
    trainer(loss=loss, steps=1, amp=True).fit()
    trainer(loss=loss, steps=1, amp=False).fit()
    monkeypatch.setattr(loop, "fast_bf16", lambda device: False)
    trainer(loss=loss, steps=1, amp=True).fit()
    assert seen == [torch.bfloat16, torch.float32, torch.float32]


def test_a_finished_run_stays_finished(tmp_path):
    run = trainer(tmp_path)
    run.fit()
    again = trainer(tmp_path, seed=5, loss=crashing(0))
    assert again.resume() and again.fit().steps == 12
    assert same(state(again), state(run))


REFUSED = {
    "other steps": {"steps": 13},
    "other rate": {"lr": 0.5},
    "other stage": {"identity": "b"},
    "other width": {"width": 4},  # the code of the model was changed, its configuration was not told
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_checkpoint_of_another_run_is_refused(tmp_path, case):
    trainer(tmp_path).fit()
    before = (tmp_path / "checkpoint.safetensors").read_bytes()
    run = trainer(tmp_path, **REFUSED[case])
    fresh = state(run)
    with pytest.raises(UserError, match="is of another configuration; start anew with --fresh") as caught:
        run.resume()
    one_line(caught)
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == before
    assert same(state(run), fresh) and run.step == 0


def test_weights_are_no_checkpoint(tmp_path):
    run = trainer(tmp_path)
    save_weights(run.checkpoint, run.model, run.model.cfg, {"stage": "a", "data": DATA_VERSION})
    with pytest.raises(UserError, match="another configuration"):
        run.resume()


def pickled(path):
    torch.save({"a": torch.zeros(3)}, path)


def old_pickled(path):
    torch.save({"a": torch.zeros(3)}, path, _use_new_zipfile_serialization=False)


DAMAGE = {
    "truncated": (lambda p: p.write_bytes(p.read_bytes()[:-100]), "is damaged"),
    "cut in its head": (lambda p: p.write_bytes(p.read_bytes()[:40]), "is damaged"),
    "empty": (lambda p: p.write_bytes(b""), "is damaged"),
    "noise": (lambda p: p.write_bytes(b"\x17" + os.urandom(6) + b"\xff" * 500), "is damaged"),
    "pickle": (pickled, "is a pickle, which can run code when opened; only safetensors files are read"),
    "old pickle": (old_pickled, "is a pickle"),
    "another program's": (lambda p: __import__("safetensors.torch").torch.save_file({"a": torch.zeros(2)}, p),
                          "was not written by mjcourse"),
}  # fmt: skip


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_file_is_named(tmp_path, case):
    run = trainer(tmp_path)
    run.fit()
    damage, cause = DAMAGE[case]
    damage(run.checkpoint)
    with pytest.raises(UserError, match=cause) as caught:
        trainer(tmp_path).resume()
    assert "checkpoint.safetensors" in one_line(caught)


@pytest.mark.parametrize("first", [b"\x80", b"PK"])
def test_a_file_that_only_starts_like_a_pickle_is_read(tmp_path, first):
    path, length = tmp_path / "x.safetensors", int.from_bytes(first, "little") or 0x80
    save_tensors(path, {"a": torch.ones(3)}, {"pad": ""})
    have = int.from_bytes(path.read_bytes()[:8], "little")
    save_tensors(path, {"a": torch.ones(3)}, {"pad": "x" * ((length - have) % 256 ** len(first))})
    assert path.read_bytes().startswith(first)
    assert torch.equal(load_tensors(path)[0]["a"], torch.ones(3))


# ---- a full disk ---------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["open", "fsync", "replace"])
def test_a_full_disk_keeps_the_old_checkpoint(tmp_path, monkeypatch, fault):
    run = trainer(tmp_path, steps=5)
    run.fit()
    before = run.checkpoint.read_bytes()
    run.step = 99
    where, name = {"open": (files, "open"), "fsync": (os, "fsync"), "replace": (os, "replace")}[fault]
    with monkeypatch.context() as patch:
        patch.setattr(where, name, no_room, raising=False)
        with pytest.raises(UserError) as caught:
            run.save()
    text = one_line(caught)
    assert "checkpoint.safetensors" in text and "No space left on device" in text and "MJCOURSE_RUNS" in text
    assert run.checkpoint.read_bytes() == before
    assert not list(tmp_path.glob("*.partial"))


def test_a_disk_that_fills_up_in_training_stops_it(tmp_path, monkeypatch):
    run = trainer(tmp_path)
    saves, real = [], os.fsync

    def fills_up(number):
        saves.append(number)
        if len(saves) > 2:  # checkpoint and log of step 5 fit, the checkpoint of step 10 does not
            no_room()
        real(number)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fills_up)
        with pytest.raises(UserError, match="run the same command again"):
            run.fit()
    again = trainer(tmp_path, seed=3)
    assert again.resume() and again.step == 5
    again.fit()
    whole = trainer()
    whole.fit()
    assert same(state(again), state(whole))


def test_a_write_is_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "file"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two" and list(path.parent.iterdir()) == [path]


# ---- Ctrl-C --------------------------------------------------------------------------------------


def pressing(at, times=1):
    """Return a loss that presses Ctrl-C in the middle of a step."""

    def loss(net, step):
        value, parts = net_loss(net, step)
        for _ in range(times if step == at else 0):
            signal.raise_signal(signal.SIGINT)
        return value, parts

    return loss


@pytest.fixture
def handler():
    """Python's own handler of Ctrl-C, which must be back in place afterwards."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield signal.default_int_handler
    after = signal.signal(signal.SIGINT, before)
    assert after is signal.default_int_handler


def test_ctrl_c_saves_a_whole_step_and_leaves(tmp_path, handler, capfd):
    run = trainer(tmp_path, loss=pressing(6))
    done = run.fit()
    assert done.interrupted and done.steps == 7
    assert capfd.readouterr().err.count("stopping after this step") == 1
    tensors, meta = load_tensors(run.checkpoint)
    assert meta["step"] == 7 and same(tensors, state(run))
    again = trainer(tmp_path, seed=3)
    assert again.resume()
    assert not again.fit().interrupted
    whole = trainer()
    whole.fit()
    assert same(state(again), state(whole))


def test_ctrl_c_in_a_check_and_in_the_last_step(tmp_path, handler):
    def check(net, step):
        signal.raise_signal(signal.SIGINT)
        return {}

    run = trainer(tmp_path / "a", check=check, check_every=4)
    done = run.fit()
    assert done.interrupted and done.steps == load_tensors(run.checkpoint)[1]["step"] == 5
    last = trainer(tmp_path / "b", loss=pressing(11))
    done = last.fit()
    assert done.interrupted and done.steps == load_tensors(last.checkpoint)[1]["step"] == 12


def test_a_second_ctrl_c_leaves_at_once(tmp_path, handler):
    run = trainer(tmp_path, loss=pressing(6, times=2))
    with pytest.raises(KeyboardInterrupt):
        run.fit()
    assert run.step == 6
    assert load_tensors(run.checkpoint)[1]["step"] == 5  # as last saved


def test_an_error_gives_the_handler_back(handler):
    with pytest.raises(Crash):
        trainer(loss=crashing(3)).fit()


def test_ignored_ctrl_c_stays_ignored(handler):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert not trainer(loss=pressing(6)).fit().interrupted
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def test_other_threads_leave_signals_alone(tmp_path, handler):
    seen, ended = [], []

    def loss(net, step):
        seen.append(signal.getsignal(signal.SIGINT))
        if step == 7:
            raise KeyboardInterrupt  # what a notebook's worker may be sent
        return net_loss(net, step)

    def work():
        run = trainer(tmp_path, loss=loss)
        try:
            run.fit()
        except KeyboardInterrupt:
            ended.append(run)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert set(seen) == {handler} and len(seen) == 8
    assert load_tensors(ended[0].checkpoint)[1]["step"] == 5  # a step cut in half is not saved


# ---- weights -------------------------------------------------------------------------------------


def saved(path, **card):
    torch.manual_seed(0)
    net = Net()
    path.parent.mkdir(parents=True, exist_ok=True)
    save_weights(path, net, net.cfg, {"stage": path.stem, "data": DATA_VERSION, "steps": 3} | card)
    return net


def test_weights_and_their_card(tmp_path):
    path = tmp_path / "text.safetensors"
    net = saved(path, metrics={"val": 0.5}, note="日落")
    card = json.loads((tmp_path / "text.json").read_text("utf-8"))
    assert card["sha256"] == sha256(path) == hashlib.sha256(path.read_bytes()).hexdigest()
    assert card["bytes"] == path.stat().st_size
    assert card["config"] == {"width": 8, "kind": [1, 2]}
    assert (card["stage"], card["data"], card["steps"]) == ("text", DATA_VERSION, 3)
    assert card["metrics"] == {"val": 0.5} and card["note"] == "日落"
    loaded = load_weights(Net(), path, Size())
    assert not loaded.training and not any(p.requires_grad for p in loaded.parameters())
    for name, t in net.state_dict().items():
        own = loaded.state_dict()[name]
        assert own.dtype == t.dtype
        assert torch.equal(own, t.half().to(t.dtype) if t.is_floating_point() else t)


def test_large_tensors_are_kept_in_8_bits():
    g = torch.Generator().manual_seed(0)
    kernel, table = torch.randn(40, 8, 3, 3, generator=g) * torch.rand(40, 1, 1, 1, generator=g), torch.zeros(64, 32)
    table[1:] = torch.randn(63, 32, generator=g)
    rest = {"bias": torch.randn(2000), "small": torch.randn(3, 3), "ids": torch.arange(5000).view(50, 100)}
    kept = pack({"kernel": kernel, "table": table, **rest})
    assert kept["kernel"].dtype == kept["table"].dtype == torch.int8 and kept["ids"].dtype == torch.int64
    found = unpack(kept)
    assert set(found) == {"kernel", "table", *rest}
    for name, t in (("kernel", kernel), ("table", table)):
        off = (found[name] - t).flatten(1).abs().amax(1)
        largest = t.flatten(1).abs().amax(1)
        assert found[name].dtype == torch.float32 and (off <= largest / 254 * 1.001).all()
    assert torch.equal(found["table"][0], torch.zeros(32))
    assert torch.equal(found["bias"], rest["bias"].half()) and torch.equal(found["ids"], rest["ids"])
    assert all(torch.equal(t, found[name]) for name, t in unpack(pack(found)).items() if name != "kernel")
    torch.testing.assert_close(unpack(pack(found))["kernel"], found["kernel"])  # kept again, nothing more is lost


def test_the_learners_own_weights_come_first(runs, weights):
    saved(weights / "text.safetensors")
    assert find_weights("text") == weights / "text.safetensors"
    saved(runs / "text" / "text.safetensors")
    assert find_weights("text") == runs / "text" / "text.safetensors"


def test_the_very_weights_that_a_model_was_trained_on(runs, weights):
    shipped, own = weights / "text.safetensors", runs / "text" / "text.safetensors"
    saved(shipped)
    saved(own, data="scenes-0")
    assert sha256(shipped) != sha256(own)
    assert find_weights("text", sha256(shipped)) == shipped
    assert find_weights("text", sha256(own)) == own
    with pytest.raises(UserError, match="are not those that the model was trained on") as caught:
        find_weights("text", "0" * 64)
    one_line(caught)
    saved(own, upstream={"text": "abc"})
    assert load_tensors(own)[1]["upstream"] == {"text": "abc"}


def test_missing_weights_are_named_with_the_remedy(runs, weights):
    with pytest.raises(UserError, match=r"no weights for 'flow'.*flow\.safetensors.*`mjcourse train flow`") as caught:
        find_weights("flow")
    one_line(caught)
    with pytest.raises(UserError, match=r"there is no flow\.safetensors"):
        load_weights(Net(), weights / "flow.safetensors", Size())


@pytest.mark.parametrize("case", DAMAGE)
def test_damaged_weights_are_named(tmp_path, case):
    path = tmp_path / "text.safetensors"
    saved(path)
    damage, cause = DAMAGE[case]
    damage(path)
    with pytest.raises(UserError, match=cause) as caught:
        load_weights(Net(), path, Size())
    assert "text.safetensors" in one_line(caught)


def test_weights_of_another_kind_are_refused(tmp_path):
    path = tmp_path / "text.safetensors"
    saved(path)
    with pytest.raises(UserError, match=r"another configuration \(width: file 8, here 9\)"):
        load_weights(Net(9), path, Size(9))
    with pytest.raises(UserError, match="the names of its tensors differ"):
        load_weights(nn.Linear(2, 2), path, Size())
    saved(path, data="scenes-0")
    with pytest.raises(UserError, match=f"trained on data 'scenes-0', this is '{DATA_VERSION}'; train it anew"):
        load_weights(Net(), path, Size())


# ---- a whole stage -------------------------------------------------------------------------------


def stage(folder, *, resume=True, loss=net_loss, **how):
    torch.manual_seed(0)
    net = Net()
    cfg = LoopConfig(steps=12, warmup=3, log_every=4, save_every=5, amp=False, seed=4)
    train_stage("toy", folder, net, loss, cfg, resume=resume, **how)
    return net


def test_a_stage_ends_in_weights_and_a_card(runs, weights, tmp_path, capsys):
    saved(runs / "text" / "text.safetensors")

    def finish(net):
        with torch.no_grad():
            net.out.bias.fill_(0.5)  # such as a scale that is measured
        return {"score": 0.123456}

    net = stage(runs / "toy", needs=("text",), check=lambda net, step: {"val": 1 / 3}, finish=finish)
    card = json.loads((runs / "toy" / "toy.json").read_text())
    assert card["upstream"] == {"text": sha256(find_weights("text"))}
    assert {"stage": "toy", "data": DATA_VERSION, "seed": 4, "steps": 12}.items() <= card.items()
    assert card["parameters"] == sum(p.numel() for p in net.parameters())
    assert card["metrics"]["score"] == 0.1235 and card["metrics"]["val"] == 0.3333
    assert {"minutes", "hardware", "date", "sha256", "config", "batch_size"} <= card.keys()
    assert torch.equal(load_weights(Net(), find_weights("toy"), Size()).out.bias, torch.full((2,), 0.5))
    assert "toy: 12 steps" in capsys.readouterr().out


def test_an_interrupted_stage_says_so_and_goes_on(runs, handler, capsys):
    with pytest.raises(KeyboardInterrupt):
        stage(runs / "toy", loss=pressing(6))
    assert "stopped and saved at step 7; the same command goes on from there" in capsys.readouterr().out
    assert not (runs / "toy" / "toy.safetensors").exists()
    net = stage(runs / "toy")
    assert "going on from step 7 of 12" in capsys.readouterr().out
    assert same(net.state_dict(), stage(runs / "whole").state_dict())


def test_a_fresh_start_forgets_the_old_run(runs):
    stage(runs / "toy")
    asked = []
    stage(runs / "toy", resume=False, loss=lambda net, step: asked.append(step) or net_loss(net, step))
    assert asked == list(range(12))


def test_a_fresh_start_keeps_what_is_not_its_own(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    stage(tmp_path, resume=False)
    assert (tmp_path / "thesis.txt").exists()
