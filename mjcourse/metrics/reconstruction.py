"""How close a reconstruction is to its picture: PSNR and SSIM, by torchmetrics. Chapters 02 and 08 use them."""

from __future__ import annotations

import torch

from mjcourse.config import UserError


def _check(x: torch.Tensor, recon: torch.Tensor) -> None:
    if x.ndim != 4 or x.shape != recon.shape:
        raise UserError(f"pictures must be two tensors (B, 3, H, W) alike; got {tuple(x.shape)}, {tuple(recon.shape)}.")


def psnr(x: torch.Tensor, recon: torch.Tensor) -> torch.Tensor:
    """Return the peak signal-to-noise ratio of each picture, (B,), in dB; the peak is the whole range, 2.

    Args:
        x, recon: (B, 3, H, W) in -1 to 1; what lies outside is cut off, as it is on the screen.
    """
    from torchmetrics.functional.image import peak_signal_noise_ratio

    _check(x, recon)
    x, recon = x.float(), recon.float().clamp(-1, 1)
    return peak_signal_noise_ratio(recon, x, data_range=(-1.0, 1.0), reduction="none", dim=(1, 2, 3))


def ssim(x: torch.Tensor, recon: torch.Tensor) -> torch.Tensor:
    """Return the structural similarity of each picture, (B,), at most 1 (Wang et al. 2004).

    Args:
        x, recon: as for `psnr`.
    """
    from torchmetrics.functional.image import structural_similarity_index_measure

    _check(x, recon)
    x, recon = x.float(), recon.float().clamp(-1, 1)
    return structural_similarity_index_measure(recon, x, data_range=(-1.0, 1.0), reduction="none")
