"""A small training run to be killed by `test_kill`: ``python kill_driver.py FOLDER`` or `train` in a process.

It trains the course's autoencoder, tiny, eager and in one thread, on pictures that are pure functions of the step.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import torch

from mjcourse import config, files
from mjcourse.models.autoencoder import Autoencoder, AutoencoderConfig, reconstruction_loss
from mjcourse.training import loop
from mjcourse.training.loop import LoopConfig, Trainer

STEPS, SAVE_EVERY = 160, 7
STALLED = -1  # told instead of a step: the process waits in the middle of a save
STALLS = ("half", "whole", "before", "after")  # of the file written, on disk, of putting it in place


def train(folder: Path, amp: bool = False, beat=None, stall: str | None = None) -> None:
    """Train or resume in `folder`; exit with status 130 after Ctrl-C.

    Args:
        folder: where the checkpoint lies.
        amp: compute in bfloat16, whether or not that is fast here.
        beat: a shared integer that holds the step under way.
        stall: one of `STALLS`: stop for ever there in the third save.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    torch.set_num_threads(1)
    torch.manual_seed(int.from_bytes(os.urandom(4), "little") if folder.exists() else 0)  # a resumed run needs none
    loop.fast_bf16 = lambda device: True
    net = Autoencoder(AutoencoderConfig.tiny()).to(memory_format=torch.channels_last)

    def loss(net, step):
        if beat is None:
            print("step", step, flush=True)
        else:
            beat.value = step
        g = config.generator(3, step)
        x = torch.rand(4, 3, 16, 16, generator=g).mul(2).sub(1).to(memory_format=torch.channels_last)
        noise = torch.randn(4, 4, 4, 4, generator=g)
        recon, latent_loss, told = net(x, noise)
        return reconstruction_loss(x, recon) + latent_loss, told

    def check(net, step):
        return {"val": net.decode(torch.ones(1, 4, 4, 4)).mean()}

    if stall:
        _arm(stall, beat)
    cfg = LoopConfig(steps=STEPS, lr=2e-3, warmup=10, log_every=5, check_every=20, save_every=SAVE_EVERY, amp=amp)
    trainer = Trainer(net, loss, cfg, folder, {"config": net.cfg}, check, report=lambda row: None)
    if folder.exists() and not trainer.resume():
        torch.manual_seed(0)  # killed before its first save: as at first
        net.load_state_dict(Autoencoder(AutoencoderConfig.tiny()).state_dict())
        trainer = Trainer(net, loss, cfg, folder, {"config": net.cfg}, check, report=lambda row: None)
    folder.mkdir(parents=True, exist_ok=True)
    if trainer.fit().interrupted:
        sys.exit(130)


def _arm(stall: str, beat) -> None:
    """Make the third save of the checkpoint stop half-way; each save writes two files, it and the log."""
    count, open_, fsync, replace = 0, open, os.fsync, os.replace

    def wait() -> None:
        beat.value = STALLED
        time.sleep(600)

    class Half:
        def __init__(self, path, mode):
            self.file = open_(path, mode)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def __getattr__(self, name):
            return getattr(self.file, name)

        def write(self, data):
            nonlocal count
            count += 1
            if count == 5 and stall == "half":
                self.file.write(data[: len(data) // 2])
                self.file.flush()
                wait()
            return self.file.write(data)

    def slow_fsync(number):
        fsync(number)
        if count == 5 and stall == "whole":
            wait()

    def slow_replace(a, b):
        if count == 5 and stall == "before":
            wait()
        replace(a, b)
        if count == 5 and stall == "after":
            wait()

    files.open, os.fsync, os.replace = Half, slow_fsync, slow_replace


if __name__ == "__main__":
    train(Path(sys.argv[1]))
