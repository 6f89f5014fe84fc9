"""The loop for autoencoders with an eye: reconstruction, a perceptual and an adversarial term. Chapter 08 builds it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from mjcourse.models.autoencoder import reconstruction_loss
from mjcourse.models.gan import discriminator_loss, generator_loss
from mjcourse.models.patch import PatchConfig, PatchDiscriminator, adaptive_weight
from mjcourse.models.perceptual import PerceptualNet, perceptual_distance
from mjcourse.training.loop import Trainer, autocast


@dataclass(frozen=True)
class Terms:
    """How much each term counts beside the reconstruction; the adversarial one from step `start` on."""

    perceptual: float = 0.1
    adversarial: float = 0.0
    start: int = 0


class Painter(nn.Module):
    """An autoencoder and its discriminator, kept together so that they are saved together."""

    def __init__(self, autoencoder: nn.Module, discriminator: PatchDiscriminator | None = None) -> None:
        super().__init__()
        self.autoencoder, self.cfg = autoencoder, autoencoder.cfg
        self.discriminator = discriminator or PatchDiscriminator(PatchConfig())


class PainterTrainer(Trainer):
    """Trains a `Painter`: one step of the autoencoder, then, in the game, one of the discriminator.

    As `Trainer`, but for ``batch(model, step) -> (x (B, 3, H, W), …)``, which is what the autoencoder takes.
    `terms` says what counts, `eye` is the feature network of the perceptual term.
    """

    terms = Terms()
    eye: PerceptualNet | None = None

    def make_optimizers(self) -> list[torch.optim.Optimizer]:
        """Return Adam for the autoencoder and for the discriminator."""
        cfg, net = self.cfg, self.model
        of_a = torch.optim.AdamW(net.autoencoder.parameters(), cfg.lr, cfg.betas, weight_decay=cfg.weight_decay)
        return [of_a, torch.optim.AdamW(net.discriminator.parameters(), cfg.lr, (0.5, 0.9), weight_decay=0.0)]

    def update(self) -> tuple[torch.Tensor, dict, torch.Tensor]:
        """Move the autoencoder once, then the discriminator once; the loss returned is the autoencoder's."""
        (of_a, of_d), net, terms = self.optimizers, self.model, self.terms
        batch = self.forward(net, self.step)
        x, playing = batch[0], terms.adversarial > 0 and self.step >= terms.start

        of_a.zero_grad(set_to_none=True)
        net.discriminator.requires_grad_(False)
        with autocast(self.device, self.cfg.amp):
            recon, latent_loss, told = net.autoencoder(*batch)
            loss = reconstruction_loss(x, recon.float())
            told = {"psnr": 10 * torch.log10(4 / (recon.detach() - x).square().mean()), **told}
            if terms.perceptual:
                distance = perceptual_distance(self.eye, x, recon).mean()
                loss, told["perceptual"] = loss + terms.perceptual * distance, distance.detach()
            if playing:
                gan = generator_loss("hinge", None, net.discriminator(recon).float())
        (pull,) = torch.autograd.grad(loss, recon)  # what the picture should do, by the first terms
        if playing:
            (push,) = torch.autograd.grad(gan, recon)  # and by the discriminator
            last = net.autoencoder.decoder.last.weight
            grads = [torch.autograd.grad(recon, last, g, retain_graph=True)[0] for g in (pull, push)]
            weight = adaptive_weight(*grads)
            pull = pull + terms.adversarial * weight * push
            told |= {"weight": weight, "gan": gan.detach()}
        torch.autograd.backward([recon, latent_loss], [pull, torch.ones_like(latent_loss)])
        norm = nn.utils.clip_grad_norm_(net.autoencoder.parameters(), self.cfg.clip)
        of_a.step()

        if playing:
            net.discriminator.requires_grad_(True)
            of_d.zero_grad(set_to_none=True)
            with autocast(self.device, self.cfg.amp):
                real, fake = net.discriminator(x).float(), net.discriminator(recon.detach()).float()
            d_loss = discriminator_loss("hinge", real, fake)
            d_loss.backward()
            nn.utils.clip_grad_norm_(net.discriminator.parameters(), self.cfg.clip)
            of_d.step()
            told["d_loss"] = d_loss.detach()
        return loss + latent_loss, told, norm
