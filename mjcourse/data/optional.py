"""Data sets that need a download: optional everywhere, behind one function. Chapters 02, 03 and 14 offer them."""

from __future__ import annotations

from urllib.error import URLError

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
