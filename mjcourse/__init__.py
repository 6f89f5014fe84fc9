"""mjcourse: build your own miniature Midjourney, from the first autoencoder to a text-to-image studio."""

from mjcourse.config import UserError, by_profile, generator, profile, seed_everything

__version__ = "0.1.0"
__all__ = ["UserError", "__version__", "by_profile", "generator", "profile", "seed_everything"]
