"""The model and the preprocessor of a bundle, grown by newer data."""

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn

from ..basic.features import IdFeature
from ..models.arguments import arguments_of
from ..types import FilePath
from .bundle import Bundle
from .errors import BundleError
from .growth import features_in, grown_model
from .loading import load_bundle

if TYPE_CHECKING:
    from ..data.preprocessing import Preprocessor

PREFIXES = ("hist_", "next_", "neg_")  # of the inputs that samples make of a column
_COUNTS = ("vocab_size", "num_items")  # arguments of models that are made without features


def checked_bundle(bundle: FilePath | Bundle, task: str | None, owner: str) -> Bundle:
    """Return a loaded bundle of a task, with a preprocessor.

    Args:
        bundle: The folder, or the loaded bundle.
        task: The task.
        owner: The class of the trainer, for messages.

    Raises:
        BundleError: The bundle is damaged, or of another task.
        TypeError: It is neither a folder nor a bundle.
        ValueError: It has no preprocessor.
    """
    if not isinstance(bundle, Bundle | str | os.PathLike):
        raise TypeError(
            "bundle must be the folder of a bundle or a loaded one, got "
            f"{type(bundle).__name__}: call {owner}.continue_from(bundle, new_frame)"
        )
    loaded: Bundle = bundle if isinstance(bundle, Bundle) else load_bundle(bundle)
    if loaded.task != task:
        raise BundleError(
            f"{loaded.path} is a bundle of the task {loaded.task!r}, and {owner} trains {task!r}: "
            "continue with the trainer that saved it"
        )
    if loaded.preprocessor is None:
        raise ValueError(
            f"{loaded.path} has no preprocessor, so newer rows cannot be encoded: save it with "
            "trainer.save(folder, preprocessor=...), or grow the model with "
            "torch_rechub.bundles.growth.grown_model"
        )
    return loaded


def grow(
    bundle: Bundle,
    data: Any,
    like: Mapping[str, Any] | None = None,
    arguments: Mapping[str, Any] | None = None,
) -> "tuple[nn.Module, Preprocessor]":
    """Return the model and the preprocessor of a bundle with the new ids of data.

    Args:
        bundle: A bundle with a preprocessor; it is not changed.
        data: Newer raw rows.
        like: Tables of items with their attributes by input; see `Trainer.continue_from`.
        arguments: As in `grown_model`.

    Raises:
        KeyError: A column is missing.
        ValueError: A cell does not fit its column, or the model does not fit the preprocessor.
    """
    assert bundle.preprocessor is not None
    old, new = bundle.preprocessor, bundle.preprocessor.grown(data)
    sizes = dict(_sizes(bundle, old, new))
    attributes = {name: _attributes(new, name, table) for name, table in (like or {}).items()}
    return grown_model(bundle.model, sizes, like=attributes, arguments=arguments), new


def _sizes(bundle: Bundle, old: "Preprocessor", new: "Preprocessor") -> Iterator[tuple[str, int]]:
    """The new sizes of features, and of arguments that count items, where they differ."""
    given = arguments_of(bundle.model)
    least: dict[str, IdFeature] = {}
    for feature in features_in(given):
        if feature.vocab_size <= least.get(feature.name, feature).vocab_size:
            least[feature.name] = feature
    for name, feature in least.items():
        of_samples = [name.removeprefix(prefix) for prefix in PREFIXES]
        candidates = (name, *of_samples, feature.shared_with or name)
        for column in dict.fromkeys(candidates):
            before, after = size_of(old, column), size_of(new, column)
            if before is not None and after is not None and after > before:
                yield name, _size(feature.vocab_size, before, after)
                break
    item = getattr(bundle.parts.get("items"), "item", None)
    for name in _COUNTS:
        if item is not None and isinstance(given.get(name), int):
            before, after = size_of(old, item), size_of(new, item)
            if before is not None and after is not None and after > before:
                yield name, _size(given[name], before, after)


def size_of(preprocessor: "Preprocessor", name: str) -> int | None:
    """The number of ids of an input; None if it is none, or a number."""
    if name not in preprocessor.encoders:
        return None
    (feature,) = preprocessor.features(name, embed_dim=1)
    return getattr(feature, "vocab_size", None)


def _size(size: int, before: int, after: int) -> int:
    """The new size of a table that had room for `before` ids, perhaps for more, or several each."""
    return size // before * after if size % before == 0 else max(size, after)


def _attributes(preprocessor: "Preprocessor", name: str, table: Any) -> "np.ndarray[Any, Any]":
    """Attributes of all ids as integers (V, A), of a table with a row an item."""
    import pandas as pd

    from .frames import as_frame

    frame = as_frame(table, f"like[{name!r}]")
    size = size_of(preprocessor, name)
    if size is None or name not in frame or len(frame.columns) < 2:
        raise KeyError(
            f"like[{name!r}] must be a table with the raw ids of the input {name!r} in a column of "
            f"that name, and attributes in others; it has {list(frame.columns)}"
        )
    ids = preprocessor.encode(name, frame[name].to_numpy(dtype=object))
    others = frame.drop(columns=name)
    found = np.full((size, len(others.columns)), -1, dtype=np.int64)
    for place, column in enumerate(others.columns):
        found[ids, place] = pd.factorize(others[column])[0]
    return found
