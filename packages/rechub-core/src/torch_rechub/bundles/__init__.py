"""Bundles: a trained model as a folder, with everything that raw rows and raw ids need.

`save` of a trainer writes one, `load_bundle` opens it, in any process and on any device. A bundle
holds JSON, safetensors and Arrow files; no code of a bundle is run.
"""

from .bundle import Bundle, Part
from .diversity import Diversity
from .errors import BundleError
from .known import register
from .loading import load_bundle
from .pipeline import Pipeline
from .promotion import Promotion, compare_on, promote_if

__all__ = [
    "Bundle",
    "BundleError",
    "Diversity",
    "Part",
    "Pipeline",
    "Promotion",
    "compare_on",
    "load_bundle",
    "promote_if",
    "register",
]
