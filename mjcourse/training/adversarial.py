"""The loop for two players: the shared `Trainer`, with one step of each network in turn. Chapter 03 builds it."""

from __future__ import annotations

import torch
from torch import nn

from mjcourse.models.gan import discriminator_loss, generator_loss, gradient_penalty
from mjcourse.training.loop import Trainer, autocast


class AdversarialTrainer(Trainer):
    """Trains a `GAN`: at each step first the discriminator, then the generator, on the same pictures.

    As `Trainer`, but for ``loss``, which is here ``batch(model, step) -> (real (B, 3, H, W), noise (B, latent))``,
    pure functions of the step as there. The gradient penalty is on real (R1) and made
    pictures (R2) at every `penalty_every`-th step, weighted up by as much (lazily: Karras et al. 2020).
    """

    penalty_every = 8

    def make_optimizers(self) -> list[torch.optim.Optimizer]:
        """Return Adam for the discriminator and for the generator."""
        how = {"lr": self.cfg.lr, "betas": self.cfg.betas, "weight_decay": self.cfg.weight_decay}
        players = (self.model.discriminator, self.model.generator)
        return [torch.optim.AdamW(player.parameters(), **how) for player in players]

    def update(self) -> tuple[torch.Tensor, dict, torch.Tensor]:
        """Move both players once; the loss returned is the discriminator's, without its penalty."""
        (of_d, of_g), net, kind = self.optimizers, self.model, self.model.cfg.loss
        real, noise = self.forward(net, self.step)
        penalty = torch.zeros(())

        net.discriminator.requires_grad_(True)
        of_d.zero_grad(set_to_none=True)
        with autocast(self.device, self.cfg.amp):
            fake = net.generator(noise)
            real_logits = net.discriminator(real).float()
            fake_logits = net.discriminator(fake.detach()).float()  # this step must not reach the generator
        d_loss = discriminator_loss(kind, real_logits, fake_logits)
        if net.cfg.gamma and self.step % self.penalty_every == 0:
            penalty = self._penalty(real) + self._penalty(fake)
        (d_loss + self.penalty_every * net.cfg.gamma * penalty).backward()
        norm = nn.utils.clip_grad_norm_(net.discriminator.parameters(), self.cfg.clip)
        of_d.step()

        net.discriminator.requires_grad_(False)  # its weights need no gradient now, which saves their products
        of_g.zero_grad(set_to_none=True)
        with autocast(self.device, self.cfg.amp):
            fake_logits = net.discriminator(fake).float()
            if kind == "relativistic":
                real_logits = net.discriminator(real).float()
        g_loss = generator_loss(kind, real_logits.detach(), fake_logits)
        g_loss.backward()
        nn.utils.clip_grad_norm_(net.generator.parameters(), self.cfg.clip)
        of_g.step()
        told = {"g_loss": g_loss.detach(), "real": real_logits.detach().mean(), "fake": fake_logits.detach().mean()}
        return d_loss, told | {"penalty": penalty.detach()}, norm

    def _penalty(self, x: torch.Tensor) -> torch.Tensor:
        x = x.detach().requires_grad_()
        with autocast(self.device, self.cfg.amp):
            logits = self.model.discriminator(x)
        return gradient_penalty(logits.float(), x)
