"""An autoencoder whose latents are words of a small dictionary: pictures to 256 tokens and back. Chapter 08 builds it.

van den Oord et al. 2017 (VQ-VAE), Yu et al. 2021 (short codes of unit length, compared by their angle),
Zeghidour et al. 2021 (codes that nobody uses are brought back to life).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from mjcourse.models.autoencoder import AutoencoderConfig, Decoder, Encoder


@dataclass(frozen=True)
class VQConfig(AutoencoderConfig):
    """Sizes of the VQ autoencoder: those of the KL autoencoder, and of the codebook."""

    latent_channels: int = 8  # numbers in a code
    fine_width: int = 48
    fine_blocks: int = 1
    codes: int = 1024
    commitment: float = 0.25  # how strongly the encoder is drawn to the codes
    dead: float = 0.02  # a code used less than this share of its fair part is dead

    @classmethod
    def tiny(cls) -> VQConfig:
        """A configuration for tests."""
        return cls(width=16, fine_width=16, blocks=1, codes=32)


class Codebook(nn.Module):
    """Latents (B, C, h, w) → their nearest codes by angle: (B, C, h, w) of unit length, tokens (B, h, w), loss.

    Gradients pass straight through: what reaches the code is handed on to the latent. While training, `usage` keeps
    a running count of how often each code is chosen, 1 where all are chosen alike.
    """

    def __init__(self, cfg: VQConfig) -> None:
        super().__init__()
        self.cfg = cfg
        self.codes = nn.Parameter(F.normalize(torch.randn(cfg.codes, cfg.latent_channels), dim=1))
        self.register_buffer("usage", torch.ones(cfg.codes))

    def forward(self, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        z = F.normalize(z.float(), dim=1)
        codes = F.normalize(self.codes, dim=1)
        with torch.autocast(z.device.type, enabled=False):  # bfloat16 would mistake near codes for each other
            tokens = (z.detach().permute(0, 2, 3, 1) @ codes.detach().T).argmax(-1)  # (B, h, w)
        chosen = codes[tokens].permute(0, 3, 1, 2)  # (B, C, h, w)
        loss = F.mse_loss(chosen, z.detach()) + self.cfg.commitment * F.mse_loss(z, chosen.detach())
        if self.training:
            counts = torch.bincount(tokens.flatten(), minlength=self.cfg.codes)
            self.usage.lerp_(counts * (self.cfg.codes / tokens.numel()), 0.05)
        return z + (chosen - z).detach(), tokens, loss

    def lookup(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return the codes (B, C, h, w) of tokens (B, h, w)."""
        return F.normalize(self.codes, dim=1)[tokens].permute(0, 3, 1, 2)

    @torch.no_grad()
    def revive(self, z: torch.Tensor, generator: torch.Generator) -> int:
        """Move each dead code to a random one of the latents z (B, C, h, w); return how many were dead."""
        dead = (self.usage < self.cfg.dead).nonzero()[:, 0]
        flat = F.normalize(z.float(), dim=1).permute(0, 2, 3, 1).flatten(0, 2)
        picks = torch.randint(len(flat), (len(dead),), generator=generator)
        self.codes[dead] = flat[picks.to(flat.device)]
        self.usage[dead] = 1.0
        return len(dead)


class VQAutoencoder(nn.Module):
    """The VQ autoencoder: `encode` to tokens, `decode` back."""

    def __init__(self, cfg: VQConfig) -> None:
        super().__init__()
        self.cfg = cfg
        self.encoder, self.codebook, self.decoder = Encoder(cfg, cfg.latent_channels), Codebook(cfg), Decoder(cfg)

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Return the tokens (B, H / 4, W / 4) of pictures (B, 3, H, W) in -1 to 1."""
        return self.codebook(self.encoder(x))[1]

    def decode(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return pictures (B, 3, H, W), about -1 to 1, from tokens (B, H / 4, W / 4)."""
        return self.decoder(self.codebook.lookup(tokens))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, dict]:
        """Return (reconstruction, codebook loss, what to log)."""
        code, tokens, loss = self.codebook(self.encoder(x))
        return self.decoder(code), loss, {"perplexity": perplexity(tokens, self.cfg.codes)}


def perplexity(tokens: torch.Tensor, codes: int) -> torch.Tensor:
    """Return exp(entropy) of how often each of `codes` codes is chosen: the number of codes in even use."""
    share = torch.bincount(tokens.flatten(), minlength=codes).float()
    share = share / share.sum()
    return torch.exp(-(share * share.clamp(min=1e-12).log()).sum())
