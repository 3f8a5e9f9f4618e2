"""Raw values as ids of a preprocessor's vocabulary."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from ..data.preprocessing import Preprocessor

Ids = npt.NDArray[np.int64]


def encode(
    preprocessor: "Preprocessor | None", name: str, values: Any, vocab_size: int | None = None
) -> Ids:
    """Return the ids of raw values, (N,); 1 for unknown ones.

    Args:
        preprocessor: The preprocessor; None where values are ids themselves.
        name: Name of the input.
        values: Raw values, (N,).
        vocab_size: Without a preprocessor, ids from it on are padding, 0.
    """
    if preprocessor is not None:
        return preprocessor.encode(name, np.asarray(values, dtype=object)).astype(np.int64)
    ids = np.array([value if _is_id(value) else 0 for value in values], dtype=np.int64)
    return ids if vocab_size is None else np.where(ids < vocab_size, ids, 0)


def _is_id(value: Any) -> bool:
    return isinstance(value, int | np.integer) and bool(value >= 0)


def counts_of(preprocessor: "Preprocessor", name: str) -> dict[Any, int]:
    """Return how often each value of a vocabulary occurred in the data that it was fitted on.

    Raises:
        KeyError: There is no such input.
        ValueError: The input has no vocabulary.
    """
    if name not in preprocessor.encoders:
        raise KeyError(
            f"the preprocessor has no input {name!r}, whose vocabulary the tokens are of; it has "
            f"{list(preprocessor.encoders)}"
        )
    vocabulary = getattr(preprocessor.encoders[name], "vocabulary", None)
    if vocabulary is None:
        raise ValueError(f"the input {name!r} has no vocabulary: raw ids need a Categorical column")
    values = vocabulary.raw(np.arange(vocabulary.size))
    known = [value for value in values if value is not None]
    return dict(zip(known, vocabulary.counts.tolist(), strict=True))
