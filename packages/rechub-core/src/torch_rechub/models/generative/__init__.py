"""Generative models: what comes next in a sequence of tokens, and the tokens of items.

`SeqTrainer` trains `HSTUModel` and `HLLMModel`; `rqvae_trainer.Trainer` trains `RQVAEModel`, whose
semantic ids `TIGERModel`, trained by `TigerTrainer`, generates.
"""

from typing import TYPE_CHECKING, Any

from .hllm import HLLMModel
from .hstu import HSTUModel
from .rqvae import RQVAEModel

if TYPE_CHECKING:
    from .tiger import TIGERModel

__all__ = ["HLLMModel", "HSTUModel", "RQVAEModel", "TIGERModel"]


def __getattr__(name: str) -> Any:
    if name == "TIGERModel":  # transformers takes seconds to import: only where it is used
        from .tiger import TIGERModel

        return TIGERModel
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
