"""The training loop that every stage shares. Chapter 02 builds it.

Batch and noise are pure functions of (seed, step), so a run that is killed and resumed takes the
same steps as one that never stopped: on a CPU the final weights are equal bit for bit.
"""

from __future__ import annotations

import contextlib
import csv
import io
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from mjcourse.config import UserError
from mjcourse.files import write_atomically
from mjcourse.training.memory import keep_freed_memory
from mjcourse.weights import as_json, load_tensors, save_tensors


@dataclass(frozen=True)
class LoopConfig:
    """How long and how fast to train.

    `ema` is the decay of the averaged weights; it warms up as (1 + step) / (10 + step), so that short
    runs do not remember their random start. `warmup` steps of rising learning rate are followed by a
    cosine to `lr_end` × `lr`. `amp` computes in bfloat16 where that is faster, `compile` uses
    torch.compile where a compiler is there, else eager with one line said. `muon` trains a model's
    `hidden_matrices()` with Muon (Jordan et al. 2024) and the rest with AdamW, both at rate `lr`.
    """

    steps: int = 1000
    batch_size: int = 64
    lr: float = 1e-3
    lr_end: float = 0.02
    warmup: int = 100
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.99)
    clip: float = 1.0
    ema: float = 0.999
    amp: bool = True
    compile: bool = False
    muon: bool = False
    seed: int = 0
    log_every: int = 20
    check_every: int = 500
    save_every: int = 500


def learning_rate(step: int, cfg: LoopConfig) -> float:
    """Return the learning rate of a step: linear warm-up, then a cosine to ``lr_end * lr``."""
    if step < cfg.warmup:
        return cfg.lr * (step + 1) / cfg.warmup
    done = (step - cfg.warmup) / max(1, cfg.steps - cfg.warmup)
    return cfg.lr * (cfg.lr_end + (1 - cfg.lr_end) * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))


def autocast(device: torch.device, on: bool):
    """Return a context in which matrix products run in bfloat16, where that is fast, or a void one."""
    return torch.autocast(device.type, torch.bfloat16) if on and fast_bf16(device) else contextlib.nullcontext()


def fast_bf16(device: torch.device) -> bool:
    """Tell whether bfloat16 is worth using: on GPUs from Ampere, and on CPUs with bf16 instructions."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        wide = torch.backends.cpu.get_cpu_capability() not in ("DEFAULT", "NO AVX", "AVX2")
        return wide and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return False


class Ema:
    """An exponential moving average of a model's weights, which samples better than the weights do."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.values = {name: t.detach().clone() for name, t in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Move the average towards the model's weights after step number `step`."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, t in model.state_dict().items():
            if t.is_floating_point():
                self.values[name].lerp_(t, 1 - decay)
            else:
                self.values[name].copy_(t)

    @contextlib.contextmanager
    def applied(self, model: nn.Module):
        """Lend the averaged weights to the model for the length of a ``with`` block."""
        own = {name: t.clone() for name, t in model.state_dict().items()}
        model.load_state_dict(self.values)
        try:
            yield model
        finally:
            model.load_state_dict(own)


@dataclass
class Run:
    """What `fit` gives back: the averaged model's log and how the run ended."""

    steps: int
    seconds: float
    interrupted: bool
    log: list[dict]


class Trainer:
    """One run of training: its model, optimizer, average, log and checkpoint.

    Args:
        model: the network; it is trained in place.
        loss: ``loss(model, step) -> (scalar, {name: value})``; draws its batch and noise from
            ``config.generator(seed, step)`` and nothing else.
        cfg: how long and how fast.
        folder: where ``checkpoint.safetensors``, ``log.csv`` and sample grids go; None keeps nothing.
        identity: what this run is (stage, model configuration …); a checkpoint of another is refused.
        check: ``check(model, step) -> {name: value}``: validation and sample grids, on averaged weights.
        report: told each logged row; by default a line of text.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Callable[[nn.Module, int], tuple[torch.Tensor, dict]],
        cfg: LoopConfig,
        folder: Path | None = None,
        identity: dict | None = None,
        check: Callable[[nn.Module, int], dict] | None = None,
        report: Callable[[dict], None] | None = None,
    ) -> None:
        self.model, self.loss, self.cfg, self.folder = model, loss, cfg, folder
        self.identity = as_json({"loop": cfg, "run": identity or {}})
        self.check, self.report = check, report or print_row
        self.device = next(model.parameters()).device
        self.optimizers = self.make_optimizers()
        self.ema = Ema(model, cfg.ema)
        self.step, self.seconds, self.log = 0, 0.0, []

    def make_optimizers(self) -> list[torch.optim.Optimizer]:
        """Return the optimizers of this kind of training."""
        return make_optimizers(self.model, self.cfg)

    @property
    def checkpoint(self) -> Path | None:
        """Where the checkpoint lies."""
        return self.folder / "checkpoint.safetensors" if self.folder else None

    def save(self) -> None:
        """Write model, average, optimizer, step and log, so that `resume` goes on from here."""
        if self.folder is None:
            return
        tensors = {f"model/{k}": v for k, v in self.model.state_dict().items()}
        tensors |= {f"ema/{k}": v for k, v in self.ema.values.items()}
        for k, optimizer in enumerate(self.optimizers):
            for i, state in optimizer.state_dict()["state"].items():
                tensors |= {f"optimizer/{k}/{i}/{name}": v for name, v in state.items()}
        meta = {"identity": self.identity, "step": self.step, "seconds": self.seconds, "log": self.log}
        save_tensors(self.checkpoint, tensors, meta)
        if self.log:
            table = io.StringIO()
            writer = csv.DictWriter(table, list(dict.fromkeys(k for row in self.log for k in row)))
            writer.writeheader()
            writer.writerows(self.log)
            write_atomically(self.folder / "log.csv", table.getvalue().encode())

    def resume(self) -> bool:
        """Go on from the checkpoint where there is one; tell whether there was.

        Raises:
            UserError: the checkpoint is damaged or belongs to another configuration.
        """
        if self.folder is None or not self.checkpoint.exists():
            return False
        tensors, meta = load_tensors(self.checkpoint)
        own = self.model.state_dict()
        theirs = {name: t.shape for name, t in tensors.items() if name.startswith("model/")}
        if meta.get("identity") != self.identity or theirs != {f"model/{k}": t.shape for k, t in own.items()}:
            raise UserError(
                f"the checkpoint in {self.folder} is of another configuration; start anew with --fresh, "
                "or give another folder with --out."
            )
        self.model.load_state_dict({k: tensors[f"model/{k}"] for k in own})
        for k, value in self.ema.values.items():
            value.copy_(tensors[f"ema/{k}"])
        for k, optimizer in enumerate(self.optimizers):
            state: dict[int, dict] = {}
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            for name, t in tensors.items():
                if name.startswith(f"optimizer/{k}/"):
                    i, key = name.split("/")[2:]
                    like = parameters[int(i)]  # laid out in memory as it was, since that can decide the last bit
                    t = torch.empty_like(like).copy_(t) if t.shape == like.shape else t
                    state.setdefault(int(i), {})[key] = t
            optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
        self.step, self.seconds, self.log = meta["step"], meta["seconds"], meta["log"]
        return True

    def fit(self) -> Run:
        """Train to the last step. Ctrl-C saves after the step under way and leaves; the same command resumes."""
        keep_freed_memory()
        cfg, start = self.cfg, time.perf_counter() - self.seconds
        self.forward = compiled(self.loss, self.model) if cfg.compile else self.loss
        self.model.train()
        with deferred_interrupt() as pressed:
            while self.step < cfg.steps:
                for optimizer in self.optimizers:
                    for group in optimizer.param_groups:
                        group["lr"] = self.rate()
                loss, parts, norm = self.update()
                self.ema.update(self.model, self.step)
                self.step += 1
                self.seconds = time.perf_counter() - start
                last, leaving = self.step == cfg.steps, bool(pressed)
                checking = self.check is not None and (self.step % cfg.check_every == 0 or last)
                saving = self.step % cfg.save_every == 0 or last or leaving
                if self.step % cfg.log_every == 0 or checking or saving:  # so nothing unlooked-at is saved
                    self._note(loss, parts, norm)
                if checking:
                    self._check()
                if saving:
                    self.save()
                if leaving:
                    break
        self.model.eval()
        return Run(self.step, self.seconds, bool(pressed), self.log)

    def rate(self) -> float:
        """Return the learning rate of the step to come."""
        return learning_rate(self.step, self.cfg)

    def update(self) -> tuple[torch.Tensor, dict, torch.Tensor]:
        """Move the weights once; return the loss, its parts and the norm of the gradient before clipping."""
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        with autocast(self.device, self.cfg.amp):
            loss, parts = self.forward(self.model, self.step)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.cfg.clip)
        for optimizer in self.optimizers:
            optimizer.step()
        return loss, parts, norm

    def _note(self, loss: torch.Tensor, parts: dict, norm: torch.Tensor) -> None:
        row = {"step": self.step, "seconds": round(self.seconds, 1), "loss": float(loss.detach())}
        row |= {name: float(value) for name, value in parts.items()} | {"grad_norm": float(norm)}
        broken = next((name for name in ("loss", "grad_norm") if not math.isfinite(row[name])), None)
        if broken:
            raise UserError(
                f"the {broken} became {row[broken]} at step {self.step}: lower the learning rate "
                f"(now {self.optimizers[0].param_groups[0]['lr']:.2g}) or look at the batch of that step."
            )
        self.log.append(row)
        self.report({**row, "eta": self.seconds / self.step * (self.cfg.steps - self.step)})

    def _check(self) -> None:
        self.model.eval()
        with self.ema.applied(self.model), torch.no_grad():
            found = {name: float(value) for name, value in self.check(self.model, self.step).items()}
        self.model.train()
        if found:
            self.log[-1] |= found
            self.report({"step": self.step, **found})

    def averaged(self) -> nn.Module:
        """Put the averaged weights into the model and return it in eval mode."""
        self.model.load_state_dict(self.ema.values)
        return self.model.eval()


def make_optimizers(model: nn.Module, cfg: LoopConfig) -> list[torch.optim.Optimizer]:
    """Return AdamW for all parameters, or Muon for the hidden matrices and AdamW for the rest."""
    hidden = list(model.hidden_matrices()) if cfg.muon else []
    theirs = {id(p) for p in hidden}
    rest = [p for p in model.parameters() if id(p) not in theirs]
    found: list = [torch.optim.AdamW(rest, lr=cfg.lr, betas=cfg.betas, weight_decay=cfg.weight_decay)]
    if hidden:  # steps of AdamW's size, so that one learning rate serves both (Liu et al. 2025)
        how = {"weight_decay": cfg.weight_decay, "adjust_lr_fn": "match_rms_adamw"}
        found.append(torch.optim.Muon(hidden, lr=cfg.lr, **how))
    return found


@contextlib.contextmanager
def deferred_interrupt() -> Iterator[list[int]]:
    """Give a list to which the first Ctrl-C adds itself, so that no step is cut in half; a second one raises.

    Only the main thread may handle signals: in another, or where Ctrl-C is ignored, nothing changes.
    """
    pressed: list[int] = []
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before in (None, signal.SIG_IGN):
        yield pressed
        return

    def press(number: int, frame: object) -> None:
        if pressed:
            raise KeyboardInterrupt
        pressed.append(number)
        with contextlib.suppress(OSError):  # print() may be busy in the code that this interrupts
            os.write(2, b"\nstopping after this step; Ctrl-C again stops at once, without saving\n")

    signal.signal(signal.SIGINT, press)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)


def compiled(loss: Callable, model: nn.Module) -> Callable:
    """Compile the model's forward pass; without a compiler say so in one line and stay eager."""
    import shutil

    if not any(shutil.which(cc) for cc in ("g++", "clang++", "cl")):
        print("no C++ compiler found: training runs uncompiled, more slowly")
        return loss
    fast = torch.compile(model, dynamic=False)
    return lambda _model, step: loss(fast, step)


def print_row(row: dict) -> None:
    """Print one logged row: step, losses, minutes left."""
    words = [f"step {row['step']:6d}"]
    words += [f"{k} {v:.4g}" for k, v in row.items() if k not in ("step", "seconds", "eta", "grad_norm")]
    if "eta" in row:
        words.append(f"{row['seconds'] / row['step'] * 1000:.0f} ms/step, {row['eta'] / 60:.1f} min left")
    print("  ".join(words), flush=True)
