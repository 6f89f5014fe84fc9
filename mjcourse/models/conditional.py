"""The VAE and the GAN with text: the first models that draw what they are told. Chapter 07 builds them.

Sohn et al. 2015 (the conditional VAE), Reed et al. 2016 (text to image by a GAN that also refuses a real picture
beside the wrong text), Miyato & Koyama 2018 (the discriminator compares picture and text by a scalar product).
The text comes as the registers (B, R, C) of the trained encoder of chapter 05, which stays as it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn

from mjcourse.models.gan import Discriminator, GANConfig, Generator
from mjcourse.models.vae import VAE, VAEConfig, reparameterize


class Words(nn.Module):
    """Registers of a text (B, R, C) → one vector (B, width) for a picture model to use."""

    def __init__(self, registers: int, text_width: int, width: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Flatten(), nn.Linear(registers * text_width, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU()
        )

    def forward(self, text: torch.Tensor) -> torch.Tensor:
        return self.net(text)


@dataclass(frozen=True)
class CVAEConfig(VAEConfig):
    """Sizes of the conditional VAE: those of the VAE, and of the text."""

    latent: int = 32  # fewer than the VAE's: what the text says need not be in the code
    registers: int = 16
    text_width: int = 128
    words: int = 256  # numbers that encoder and decoder get of the text
    beta: float = 100.0  # a cheap code would say it all, and the text would not be heard: chapter 07

    @classmethod
    def tiny(cls) -> CVAEConfig:
        """A configuration for tests."""
        return cls(size=16, latent=8, width=8, registers=4, text_width=32, words=16, beta=1.0)


class CVAE(VAE):
    """The VAE whose encoder and decoder read a text: q(z | x, text) and p(x | z, text)."""

    def __init__(self, cfg: CVAEConfig) -> None:
        super().__init__(cfg)
        features, corner = self.encoder[-1].in_features, self.decoder[0].out_features
        self.encoder[-1] = nn.Identity()
        self.to_code = nn.Linear(features + cfg.words, 2 * cfg.latent)
        self.decoder[0] = nn.Linear(cfg.latent + cfg.words, corner)
        self.words = Words(cfg.registers, cfg.text_width, cfg.words)

    def encode(self, x: torch.Tensor, text: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return mean and log-variance of q(z | x, text), each (B, latent)."""
        seen = torch.cat([self.encoder(x), self.words(text)], 1)
        mean, logvar = self.to_code(seen).chunk(2, dim=1)
        return mean, logvar.clamp(-20, 10)

    def decode(self, z: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """Return the mean picture of p(x | z, text), (B, 3, size, size)."""
        return self.decoder(torch.cat([z, self.words(text)], 1))

    def forward(
        self, x: torch.Tensor, noise: torch.Tensor, text: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return (reconstruction, mean, logvar), the code drawn with `noise` (B, latent)."""
        mean, logvar = self.encode(x, text)
        return self.decode(reparameterize(mean, logvar, noise), text), mean, logvar


@dataclass(frozen=True)
class CGANConfig(GANConfig):
    """Sizes of the conditional GAN: those of the GAN, and of the text."""

    registers: int = 16
    text_width: int = 128
    words: int = 256  # numbers that each player gets of the text

    @classmethod
    def tiny(cls) -> CGANConfig:
        """A configuration for tests."""
        return cls(size=16, latent=8, width=8, registers=4, text_width=32, words=16)


class TextGenerator(Generator):
    """Noise (B, latent) and text (B, R, C) → picture (B, 3, size, size) in -1 to 1."""

    def __init__(self, cfg: CGANConfig) -> None:
        super().__init__(cfg)
        self.cfg = cfg
        self.net[0] = nn.Linear(cfg.latent + cfg.words, self.net[0].out_features)
        self.words = Words(cfg.registers, cfg.text_width, cfg.words)

    def forward(self, z: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        return self.net(torch.cat([z, self.words(text)], 1))


class TextDiscriminator(Discriminator):
    """Picture (B, 3, size, size) and text (B, R, C) → logit (B,): is it real, and does it show the text?"""

    def __init__(self, cfg: CGANConfig) -> None:
        super().__init__(cfg)
        self.words = Words(cfg.registers, cfg.text_width, cfg.words)
        self.compare = nn.Linear(self.net[-1].in_features, cfg.words)

    def forward(self, x: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        seen = self.net[:-1](x)  # (B, features)
        match = (self.compare(seen) * self.words(text)).sum(1) / math.sqrt(self.compare.out_features)
        return self.net[-1](seen).squeeze(1) + match


class CGAN(nn.Module):
    """Both players of the conditional game."""

    def __init__(self, cfg: CGANConfig) -> None:
        super().__init__()
        self.cfg = cfg
        self.generator, self.discriminator = TextGenerator(cfg), TextDiscriminator(cfg)

    def forward(self, z: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """Return pictures (B, 3, size, size) from noise (B, latent) and text (B, R, C)."""
        return self.generator(z, text)
