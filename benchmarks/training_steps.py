"""Seconds a training step of our VAE loop and GAN loop, against loops written elsewhere, as is and under AVX2.

    pip install pythae==0.1.2     # the peer for the VAE; not a dependency of the course
    python benchmarks/training_steps.py

The VAE: pythae's own trainer, given the same networks, data, batch and fp32, against our `Trainer` in fp32 and in the
setting that the recipe uses. The GAN: a plain eager fp32 step in the manner of PyTorch's dcgan example (the
discriminator on real, then on made pictures, then the generator, with a fresh forward pass of each), with the same
networks, loss and penalty, against our `AdversarialTrainer` as the recipe uses it. Blocks of steps alternate; each
row is the median over the blocks. Writes training_steps.json.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
import torch.nn.functional as F

HERE = Path(__file__).resolve().parent
SETTINGS = {"as_is": {}, "avx2": {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}}
BLOCKS, STEPS = 5, 16  # 16 steps hold two with the GAN's penalty


def alternate(contestants: dict) -> dict:
    """Run blocks of steps in turn; return per name the median seconds a step, and the lowest and highest block."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for run in contestants.values():
        run(3)  # warm up
    for block in range(BLOCKS):
        names = list(contestants)[:: 1 if block % 2 else -1]
        for name in names:
            start = time.perf_counter()
            contestants[name](STEPS)
            seconds[name].append((time.perf_counter() - start) / STEPS)
    return {
        name: {"median": round(statistics.median(v), 4), "min": round(min(v), 4), "max": round(max(v), 4)}
        for name, v in seconds.items()
    }


def our_steps(trainer) -> object:
    """Return a function that takes n steps of a trainer whose schedule never ends."""
    trainer.report = lambda row: None

    def run(n: int) -> None:
        trainer.cfg = type(trainer.cfg)(**{**vars(trainer.cfg), "steps": trainer.step + n})
        trainer.fit()

    return run


def vae() -> dict:
    """Time pythae's loop and ours on one VAE; each has its own copy of the same networks."""
    from pythae.data.datasets import BaseDataset
    from pythae.models import VAE as TheirVAE
    from pythae.models import VAEConfig as TheirConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    from mjcourse.config import generator
    from mjcourse.data.store import SceneData, to_tensor
    from mjcourse.models.vae import VAE, VAEConfig, vae_loss
    from mjcourse.training.loop import LoopConfig, Trainer
    from mjcourse.training.vae import BATCH

    logging.disable(logging.WARNING)
    data, cfg = SceneData("train", 1000), VAEConfig()

    class Encoder(BaseEncoder):
        def __init__(self, net: VAE) -> None:
            super().__init__()
            self.net = net.encoder

        def forward(self, x):
            mean, logvar = self.net(x).chunk(2, dim=1)
            return ModelOutput(embedding=mean, log_covariance=logvar)

    class Decoder(BaseDecoder):
        def __init__(self, net: VAE) -> None:
            super().__init__()
            self.net = net.decoder

        def forward(self, z):
            return ModelOutput(reconstruction=self.net(z))

    def theirs():
        torch.manual_seed(0)
        net = VAE(cfg)
        shape = (3, cfg.size, cfg.size)
        model = TheirVAE(TheirConfig(input_dim=shape, latent_dim=cfg.latent), Encoder(net), Decoder(net))
        folder = tempfile.mkdtemp()
        how = BaseTrainerConfig(output_dir=folder, num_epochs=1, per_device_train_batch_size=BATCH, no_cuda=True,
                                learning_rate=1e-3, optimizer_cls="AdamW")  # fmt: skip

        def run(n: int) -> None:
            pictures = to_tensor(data.images(i % len(data) for i in range(n * BATCH)))
            rows = BaseDataset(pictures, torch.zeros(len(pictures)))
            trainer = BaseTrainer(model, rows, training_config=how)
            trainer.prepare_training()
            with contextlib.redirect_stderr(io.StringIO()):
                trainer.train_step(1)

        return run

    def ours(best: bool):
        torch.manual_seed(0)
        net = VAE(cfg)
        net = net.to(memory_format=torch.channels_last) if best else net

        def loss(net, step):
            g = generator(0, step)
            x = to_tensor(data.images(torch.randint(len(data), (BATCH,), generator=g).tolist()))
            x = x.to(memory_format=torch.channels_last) if best else x
            return vae_loss(x, *net(x, torch.randn(BATCH, cfg.latent, generator=g)), cfg.beta)

        return our_steps(Trainer(net, loss, LoopConfig(batch_size=BATCH, amp=best, log_every=10**9)))

    return alternate({"pythae 0.1.2, fp32": theirs(), "ours, fp32": ours(False), "ours, as the recipe": ours(True)})


def gan() -> dict:
    """Time a plain eager fp32 step in dcgan's manner, and ours as the recipe uses it."""
    from mjcourse.config import generator
    from mjcourse.data.store import SceneData, to_tensor
    from mjcourse.models.gan import GAN, GANConfig, gradient_penalty
    from mjcourse.training.adversarial import AdversarialTrainer
    from mjcourse.training.gan import BATCH
    from mjcourse.training.loop import LoopConfig

    data, cfg = SceneData("train", 1000), GANConfig()

    def pictures(step: int):
        g = generator(0, step)
        x = to_tensor(data.images(torch.randint(len(data), (BATCH,), generator=g).tolist()))
        return x, torch.randn(BATCH, cfg.latent, generator=g)

    def plain():
        torch.manual_seed(0)
        net = GAN(cfg)
        of_d, of_g = (torch.optim.Adam(n.parameters(), 2e-4, (0.0, 0.99)) for n in (net.discriminator, net.generator))
        every, done = AdversarialTrainer.penalty_every, [0]

        def run(n: int) -> None:
            for _ in range(n):
                real, z = pictures(done[0])
                of_d.zero_grad()
                loss = F.softplus(-net.discriminator(real)).mean()
                fake = net.generator(z)
                loss = loss + F.softplus(net.discriminator(fake.detach())).mean()
                if cfg.gamma and done[0] % every == 0:
                    for x in (real, fake.detach()):
                        x = x.clone().requires_grad_()
                        loss = loss + every * cfg.gamma * gradient_penalty(net.discriminator(x), x)
                loss.backward()
                of_d.step()
                of_g.zero_grad()
                F.softplus(-net.discriminator(fake)).mean().backward()
                of_g.step()
                done[0] += 1

        return run

    torch.manual_seed(0)
    net = GAN(cfg).to(memory_format=torch.channels_last)

    def batch(net, step):
        x, z = pictures(step)
        return x.to(memory_format=torch.channels_last), z

    loop = LoopConfig(batch_size=BATCH, betas=(0.0, 0.99), weight_decay=0, log_every=10**9)
    return alternate(
        {"plain eager fp32": plain(), "ours, as the recipe": our_steps(AdversarialTrainer(net, batch, loop))}
    )


def main() -> None:
    """Measure both loops in a fresh process for each setting, print the ratios and store all of it."""
    if "--one" in sys.argv:
        from mjcourse.config import hardware

        print(json.dumps({"vae": vae(), "gan": gan(), "hardware": hardware()}))
        return
    found: dict = {"date": time.strftime("%Y-%m-%d"), "blocks": BLOCKS, "steps_a_block": STEPS}
    for name, env in SETTINGS.items():
        command = [sys.executable, __file__, "--one"]
        found[name] = json.loads(subprocess.check_output(command, env=os.environ | env, text=True).splitlines()[-1])
        for model in ("vae", "gan"):
            rows = found[name][model]
            peer = next(iter(rows.values()))["median"]
            for label, row in rows.items():
                spread = f"{row['min'] * 1000:.0f} to {row['max'] * 1000:.0f}"
                times = f"{row['median'] * 1000:6.0f} ms a step ({spread}), {peer / row['median']:.2f} x"
                print(f"{name:6} {model}  {label:22} {times}", flush=True)
    (HERE / "training_steps.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
