"""Constructor arguments as JSON, their tensors apart.

Numbers, strings, None and lists stay as they are. Anything else is an object of one key, its kind:
``{"tuple": [...]}``, ``{"feature": {...}}``, ``{"tensor": "name"}`` and so on.
"""

import dataclasses
import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..basic.activation import Dice
from ..basic.features import DenseFeature, SequenceFeature, SparseFeature
from ..basic.initializers import (
    Pretrained,
    RandomNormal,
    RandomUniform,
    XavierNormal,
    XavierUniform,
)
from ..models import RecordsArguments
from .errors import BundleError
from .known import ACTIVATIONS, name_of

FEATURES = {kind.__name__: kind for kind in (SparseFeature, SequenceFeature, DenseFeature)}
RANDOM = {
    kind.__name__: kind for kind in (RandomNormal, RandomUniform, XavierNormal, XavierUniform)
}
# the settings of a T5Config that decide the form of the model and its generation; anything else is
# derived from them, or concerns how transformers loads a model
T5_SETTINGS = (
    "vocab_size", "d_model", "d_kv", "d_ff", "num_layers", "num_decoder_layers", "num_heads",
    "relative_attention_num_buckets", "relative_attention_max_distance", "dropout_rate",
    "layer_norm_epsilon", "initializer_factor", "feed_forward_proj", "use_cache", "pad_token_id",
    "eos_token_id", "bos_token_id", "decoder_start_token_id", "tie_word_embeddings",
    "is_encoder_decoder", "scale_decoder_outputs",
)  # fmt: skip
DEEPEST = 32
_LONG = 1000


@dataclasses.dataclass(frozen=True)
class LoadedTable:
    """The initializer of a table whose weights are loaded afterwards: zeros until then.

    Args:
        freeze: Whether the table is excluded from training.
    """

    freeze: bool = True

    def __call__(
        self, vocab_size: int, embed_dim: int, padding_idx: int | None = None
    ) -> nn.Embedding:
        """Return a table of zeros."""
        weight = torch.zeros(vocab_size, embed_dim)
        table: nn.Embedding = nn.Embedding.from_pretrained(weight, self.freeze, padding_idx)
        return table


class ValueWriter:
    """Writes the arguments of one model.

    Args:
        model: The name of its class, for messages.
        describe: Returns the form of a module among the arguments that records its own.

    Attributes:
        tensors: The tensors written so far, by name.
    """

    def __init__(
        self, model: str, describe: Callable[["ValueWriter", nn.Module, str], Any]
    ) -> None:
        self.model, self.describe = model, describe
        self.tensors: dict[str, Tensor] = {}
        self._modules: list[nn.Module] = []

    def write(self, value: Any, path: str, depth: int = 0) -> Any:
        """Return the JSON form of a value.

        Args:
            value: The value.
            path: The argument, and the way from it to the value, such as "mlp_params.dims.0".
            depth: Number of containers around the value.

        Raises:
            BundleError: It cannot be written; the message names model, argument, value, remedy.
        """
        if depth > DEEPEST:
            raise self.refusal(value, path, f"is nested more than {DEEPEST} levels deep")
        if isinstance(value, np.generic):
            value = value.item()
        if value is None or isinstance(value, bool | str):
            return value
        if isinstance(value, int):
            return int(value)
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else {"float": repr(float(value))}
        if type(value) in (list, tuple, dict):
            return self._container(value, path, depth + 1)
        if type(value) in FEATURES.values():
            fields = dataclasses.fields(value)
            settings = {
                f.name: self.write(getattr(value, f.name), f"{path}.{f.name}", depth + 1)
                for f in fields
            }
            return {"feature": {"type": type(value).__name__, **settings}}
        return self._other(value, path)

    def refusal(self, value: Any, path: str, why: str) -> BundleError:
        """The error of a value that cannot be written."""
        name, shown = path.split(".")[0], repr(value)
        shown = shown if len(shown) <= 80 else f"{shown[:77]}..."
        return BundleError(
            f"{self.model} cannot be saved: its argument {path}, {shown}, {why}; give another "
            f"value for the bundle, save(..., arguments={{{name!r}: ...}}), or make it a class or "
            "a function and register it with torch_rechub.bundles.register"
        )

    def _container(self, value: Any, path: str, depth: int) -> Any:
        if isinstance(value, dict):
            if not all(isinstance(key, str) for key in value):
                raise self.refusal(value, path, "has keys that are no strings")
            return {"dict": {k: self.write(v, f"{path}.{k}", depth) for k, v in value.items()}}
        kind = type(value).__name__
        if len(value) > _LONG and (numbers := _numbers(value)) is not None:
            return {"numbers": [kind, self._tensor(numbers, path)]}
        parts = [self.write(part, f"{path}.{i}", depth) for i, part in enumerate(value)]
        return parts if kind == "list" else {"tuple": parts}

    def _other(self, value: Any, path: str) -> Any:
        if isinstance(value, Tensor):
            if value.layout is not torch.strided or value.is_quantized or value.is_complex():
                raise self.refusal(value, path, "is a tensor of a form that is not written")
            return {"tensor": self._tensor(value, path)}
        if hasattr(value, "__array__") and hasattr(value, "dtype"):
            return {"array": self._tensor(self._from_numpy(np.asarray(value), path), path)}
        if type(value) in RANDOM.values():
            settings = {
                f.name: self.write(getattr(value, f.name), f"{path}.{f.name}")
                for f in dataclasses.fields(value)
            }
            return {"initializer": {"type": type(value).__name__, **settings}}
        if type(value) in (Pretrained, LoadedTable):
            return {"initializer": {"type": "Pretrained", "freeze": bool(value.freeze)}}
        if isinstance(value, nn.Module):
            return self._module(value, path)
        if type(value).__name__ == "T5Config":
            return {"t5": self._t5(value, path)}
        name = name_of(value)
        if name is None:
            raise self.refusal(value, path, "has no form in a file")
        return {"name": name}

    def _tensor(self, value: Tensor, path: str) -> str:
        self.tensors[path] = value.detach().cpu().contiguous()
        return path

    def _from_numpy(self, value: np.ndarray[Any, Any], path: str) -> Tensor:
        try:
            return torch.from_numpy(np.array(value, value.dtype.newbyteorder("="), order="C"))
        except (TypeError, ValueError):
            raise self.refusal(value, path, f"is an array of {value.dtype}, not numbers") from None

    def _module(self, value: nn.Module, path: str) -> Any:
        """A module, once: models may call one of them in several places."""
        for number, module in enumerate(self._modules):
            if module is value:
                return {"same module": number}
        number = len(self._modules)
        self._modules.append(value)
        if isinstance(value, RecordsArguments):
            return {"module": self.describe(self, value, path)}
        if type(value) is Dice:
            settings: dict[str, Any] = {"epsilon": value.norm.eps, **_widths(value)}
        elif type(value) in ACTIVATIONS.values():
            names = inspect.signature(type(value)).parameters
            settings = {n: getattr(value, n) for n in names if hasattr(value, n)}
        else:
            raise self.refusal(
                value, path, "is a module without a record of its arguments (RecordsArguments)"
            )
        arguments = {k: self.write(v, f"{path}.{k}") for k, v in settings.items()}
        return {"module": {"class": name_of(type(value)), "arguments": arguments}}

    def _t5(self, config: Any, path: str) -> dict[str, Any]:
        found = {name: getattr(config, name, None) for name in T5_SETTINGS}
        return {k: self.write(v, f"{path}.{k}") for k, v in found.items() if v is not None}


def _widths(dice: Dice) -> dict[str, int | None]:
    """The widths of a Dice: one of α and, if that is 1 for any, the one of the first batch."""
    if dice.alpha.numel() > 1:
        return {"num_features": dice.alpha.numel()}
    return {"num_features": None, "first_batch": getattr(dice.norm, "num_features", None) or None}


def _numbers(values: Any) -> Tensor | None:
    """A sequence of whole numbers, or one of floats, as a tensor that holds them exactly."""
    kinds = {type(value) for value in values}
    if kinds == {int} and all(-(2**63) <= value < 2**63 for value in values):
        return torch.tensor(values, dtype=torch.int64)
    return torch.tensor(values, dtype=torch.float64) if kinds == {float} else None
