"""The loop for two players who read: the discriminator also refuses a real picture beside a wrong text. Chapter 07."""

from __future__ import annotations

import torch
from torch import nn

from mjcourse.models.gan import discriminator_loss, generator_loss, gradient_penalty
from mjcourse.training.adversarial import AdversarialTrainer
from mjcourse.training.loop import autocast


class MatchingTrainer(AdversarialTrainer):
    """Trains a `CGAN` (Reed et al. 2016): a made picture and a wrongly told one are both fakes to the discriminator.

    As `AdversarialTrainer`, but for ``batch(model, step) -> (real (B, 3, H, W), noise (B, latent), text (B, R, C))``.
    The wrong texts are those of the batch's other pictures. With ``matching = False`` they are left out.
    """

    matching = True

    def update(self) -> tuple[torch.Tensor, dict, torch.Tensor]:
        """Move both players once; the loss returned is the discriminator's, without its penalty."""
        (of_d, of_g), net, kind = self.optimizers, self.model, self.model.cfg.loss
        real, noise, text = self.forward(net, self.step)
        penalty = torch.zeros(())
        net.discriminator.requires_grad_(True)
        of_d.zero_grad(set_to_none=True)
        with autocast(self.device, self.cfg.amp):
            fake = net.generator(noise, text)
            right = net.discriminator(real, text).float()
            made = net.discriminator(fake.detach(), text).float()
            wrong = net.discriminator(real, text.roll(1, 0)).float() if self.matching else made
        d_loss = (discriminator_loss(kind, right, made) + discriminator_loss(kind, right, wrong)) / 2
        if net.cfg.gamma and self.step % self.penalty_every == 0:
            penalty = self._text_penalty(real, text) + self._text_penalty(fake, text)
        (d_loss + self.penalty_every * net.cfg.gamma * penalty).backward()
        norm = nn.utils.clip_grad_norm_(net.discriminator.parameters(), self.cfg.clip)
        of_d.step()

        net.discriminator.requires_grad_(False)
        of_g.zero_grad(set_to_none=True)
        with autocast(self.device, self.cfg.amp):
            made = net.discriminator(fake, text).float()
            right = net.discriminator(real, text).float() if kind == "relativistic" else right
        g_loss = generator_loss(kind, right.detach(), made)
        g_loss.backward()
        nn.utils.clip_grad_norm_(net.generator.parameters(), self.cfg.clip)
        of_g.step()
        told = {"g_loss": g_loss, "right": right.mean(), "made": made.mean(), "wrong": wrong.mean()}
        return d_loss, {k: v.detach() for k, v in told.items()} | {"penalty": penalty.detach()}, norm

    def _text_penalty(self, x: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        x = x.detach().requires_grad_()
        with autocast(self.device, self.cfg.amp):
            logits = self.model.discriminator(x, text)
        return gradient_penalty(logits.float(), x)
