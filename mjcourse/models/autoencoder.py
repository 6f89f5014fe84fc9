"""A convolutional KL autoencoder: pictures to small latents and back. Chapter 08 builds it.

Kingma & Welling 2013 (the VAE), Rombach et al. 2022 (a light KL so that latents suit a generator).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass(frozen=True)
class AutoencoderConfig:
    """Sizes of the autoencoder: latents are (latent_channels, H / 4, W / 4)."""

    latent_channels: int = 4
    width: int = 96  # channels at a quarter of the resolution, where most layers are
    fine_width: int = 64  # channels at half the resolution
    blocks: int = 3
    fine_blocks: int = 2
    kl_weight: float = 1e-4

    @classmethod
    def tiny(cls) -> AutoencoderConfig:
        """A configuration for tests."""
        return cls(width=16, fine_width=16, blocks=1)


class ChannelNorm(nn.Module):
    """Layer norm over the channels at each place of (B, C, H, W) (Ba et al. 2016; so in Liu et al. 2022)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        last = x.permute(0, 2, 3, 1)  # (B, H, W, C): in memory already so where channels come last
        weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
        return F.layer_norm(last, weight.shape, weight, bias).permute(0, 3, 1, 2)


class ResBlock(nn.Module):
    """Norm (if any) and two 3 × 3 convolutions added to their input; the last starts at zero: it does nothing yet."""

    def __init__(self, width: int, norm: bool = True) -> None:
        super().__init__()
        self.norm = ChannelNorm(width) if norm else nn.Identity()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.second(F.silu(self.first(F.silu(self.norm(x)))))


class Encoder(nn.Module):
    """Picture (B, 3, H, W) → (B, channels, H / 4, W / 4)."""

    def __init__(self, cfg: AutoencoderConfig, channels: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.PixelUnshuffle(2),  # (B, 12, H/2, W/2)
            nn.Conv2d(12, cfg.fine_width, 3, padding=1),
            *(ResBlock(cfg.fine_width) for _ in range(cfg.fine_blocks)),
            nn.Conv2d(cfg.fine_width, cfg.width, 2, stride=2),  # (B, width, H/4, W/4)
            *(ResBlock(cfg.width) for _ in range(cfg.blocks)),
            nn.SiLU(),
            nn.Conv2d(cfg.width, channels, 3, padding=1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)


class Decoder(nn.Module):
    """Latent (B, latent_channels, H / 4, W / 4) → picture (B, 3, H, W)."""

    def __init__(self, cfg: AutoencoderConfig) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(cfg.latent_channels, cfg.width, 3, padding=1),
            *(ResBlock(cfg.width) for _ in range(cfg.blocks + 1)),
            nn.ConvTranspose2d(cfg.width, cfg.fine_width, 2, stride=2),  # (B, fine_width, H/2, W/2)
            *(ResBlock(cfg.fine_width) for _ in range(cfg.fine_blocks + 1)),
            nn.SiLU(),
            nn.Conv2d(cfg.fine_width, 12, 3, padding=1),
            nn.PixelShuffle(2),
        )

    @property
    def last(self) -> nn.Conv2d:
        """The last layer, at which chapter 08 compares gradients."""
        return self.net[-2]

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.net(z)


class Autoencoder(nn.Module):
    """The KL autoencoder: `encode` to scaled latents, `decode` back.

    `shift` and `scale` (per latent channel, measured on training scenes after training) bring
    latents to mean 0 and standard deviation 1, which flow matching expects.
    """

    def __init__(self, cfg: AutoencoderConfig) -> None:
        super().__init__()
        self.cfg = cfg
        self.encoder, self.decoder = Encoder(cfg, 2 * cfg.latent_channels), Decoder(cfg)
        self.register_buffer("shift", torch.zeros(1, cfg.latent_channels, 1, 1))
        self.register_buffer("scale", torch.ones(1, cfg.latent_channels, 1, 1))

    def posterior(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return mean and log-variance of q(z | x), each (B, latent_channels, H / 4, W / 4)."""
        mean, logvar = self.encoder(x).chunk(2, dim=1)
        return mean, logvar.clamp(-20, 10)

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Return the scaled posterior mean of pictures (B, 3, H, W) in -1 to 1."""
        mean, _ = self.posterior(x)
        return (mean - self.shift) / self.scale

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """Return pictures (B, 3, H, W), about -1 to 1, from scaled latents."""
        return self.decoder(z * self.scale + self.shift)

    def forward(self, x: torch.Tensor, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, dict]:
        """Return (reconstruction, weighted KL to N(0, 1) per number, what to log); the latent is drawn with `noise`."""
        mean, logvar = self.posterior(x)
        z = mean + torch.exp(0.5 * logvar) * noise  # the reparameterisation trick of chapter 02
        mean, logvar = mean.float(), logvar.float()
        kl = 0.5 * (mean**2 + logvar.exp() - 1 - logvar).mean()
        return self.decoder(z), self.cfg.kl_weight * kl, {"kl": kl.detach()}

    @torch.no_grad()
    def fit_scale(self, x: torch.Tensor) -> None:
        """Measure `shift` and `scale` on pictures (N, 3, H, W)."""
        mean, _ = self.posterior(x)
        self.shift.copy_(mean.mean((0, 2, 3), keepdim=True))
        self.scale.copy_(mean.std((0, 2, 3), keepdim=True))


def reconstruction_loss(x: torch.Tensor, recon: torch.Tensor) -> torch.Tensor:
    """Return the mean of |x - recon| + (x - recon)² over all numbers of the pictures (B, 3, H, W)."""
    return F.l1_loss(recon, x) + F.mse_loss(recon, x)
