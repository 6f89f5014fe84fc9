"""Data sets and models that need a download: optional everywhere. Chapters 02, 03, 05 and 14 offer them."""

from __future__ import annotations

import socket
from urllib.error import URLError
from urllib.parse import urlparse
from urllib.request import getproxies

from mjcourse import config
from mjcourse.config import UserError

NAMES = {"fashion-mnist": "FashionMNIST", "cifar-10": "CIFAR10", "flowers-102": "Flowers102"}


def load_optional(name: str, train: bool = True, transform=None):
    """Return a torchvision data set, downloaded into the cache the first time.

    Args:
        name: ``fashion-mnist``, ``cifar-10`` or ``flowers-102``.
        train: the training part, else the test part.
        transform: applied to each picture.

    Raises:
        UserError: an unknown name, or no network and no copy in the cache.
    """
    from torchvision import datasets

    if name not in NAMES:
        raise UserError(f"there is no optional data set {name!r}; allowed are {', '.join(NAMES)}.")
    kind, root = getattr(datasets, NAMES[name]), config.CACHE / "optional"
    part = {"split": "train" if train else "test"} if name == "flowers-102" else {"train": train}
    try:
        return kind(root, download=True, transform=transform, **part)
    except (URLError, OSError, RuntimeError) as error:
        raise UserError(
            f"{name} could not be downloaded ({error}); it is optional: go on without it, or try again with a "
            "network. Once downloaded it stays in the cache."
        ) from error


def load_pretrained_text(name: str):
    """Return a function from texts to unit vectors (N, C): a pretrained encoder from a model hub, its tokens averaged.

    Args:
        name: of a transformer on the hub, with weights in safetensors.

    Raises:
        UserError: it is neither in the cache nor to be had: no network, or nothing of that name on the hub.
    """
    import torch
    import torch.nn.functional as F
    from transformers import AutoModel, AutoTokenizer

    how = {"cache_dir": config.CACHE / "optional", "local_files_only": not _hub_answers()}
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, **how)
        model = AutoModel.from_pretrained(name, use_safetensors=True, **how).eval()
    except (OSError, ValueError) as error:
        raise UserError(
            f"{name} could not be fetched ({type(error).__name__}); it is optional: go on without it, or try again "
            "with a network."
        ) from error

    @torch.no_grad()
    def embed(texts: list[str]) -> torch.Tensor:
        batch = tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt")
        there = batch["attention_mask"][..., None]
        hidden = model(**batch).last_hidden_state
        return F.normalize((hidden * there).sum(1) / there.sum(1), dim=1)

    return embed


def _hub_answers() -> bool:
    """Tell within five seconds whether there is a network; the hub's own client would try for a minute."""
    from huggingface_hub import constants

    if getproxies():
        return True
    try:
        socket.create_connection((urlparse(constants.ENDPOINT).hostname, 443), timeout=5).close()
    except OSError:
        return False
    return True
