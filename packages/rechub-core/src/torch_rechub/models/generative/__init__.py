"""Generative models: next-token prediction for sequences of items, and semantic ids of items.

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
    # transformers takes seconds to import, so it is imported only when used
    if name == "TIGERModel":
        from .tiger import TIGERModel

        return TIGERModel
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
