"""The inputs of users that a retrieval model reads, from their raw histories."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .._bounds import check_whole
from ..data.histories import padded
from .errors import BundleError
from .histories import HistoryForm, RawHistories
from .item_inputs import EncodedItems
from .raw import RawColumns
from .vocabularies import encode

Array = npt.NDArray[Any]
Ids = npt.NDArray[np.int64]

PREFIX = "hist_"
UNKNOWN = 1


@dataclass(frozen=True)
class UserForm:
    """How raw users become inputs, as a part of a bundle.

    Args:
        histories: The names of raw columns.
        inputs: The inputs of the model.
        repeats: For each of them that is a history, the input of items that it repeats.
        length: Length L of histories.
    """

    histories: HistoryForm
    inputs: Sequence[str]
    repeats: Mapping[str, str]
    length: int

    def __post_init__(self) -> None:
        check_whole(1, length=self.length)

    def write(self, folder: Path) -> dict[str, Any]:
        """Return the settings; there are no files."""
        form = {"inputs": list(self.inputs), "repeats": dict(self.repeats), "length": self.length}
        return {**form, "histories": self.histories.write(folder)}

    @classmethod
    def read(cls, folder: Path, settings: Mapping[str, Any]) -> "UserForm":
        """Read the settings.

        Raises:
            BundleError: They are not as written.
        """
        try:
            histories = HistoryForm.read_part(settings["histories"])
            inputs, repeats = list(settings["inputs"]), dict(settings["repeats"])
            return cls(histories, inputs, repeats, settings["length"])
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(f"the settings of users are not as written: {error}") from error


class UserInputs:
    """Makes the inputs of users.

    Args:
        form: The form of users.
        items: The encoded items.
    """

    def __init__(self, form: UserForm, items: EncodedItems) -> None:
        self.form, self.items, self.raw = form, items, items.raw
        self.others = [name for name in form.inputs if name not in form.repeats]
        user = form.histories.user
        self.of_user = [name for name in self.others if self.raw.sources(name) == (user,)]
        self.item = self.raw.input_of(items.catalog.item)

    def read(self, users: Any) -> RawHistories:
        """Read raw users; see `HistoryForm.read`."""
        return self.form.histories.read(users, bool(self.form.repeats), needs_times=False)

    def __call__(self, users: RawHistories) -> dict[str, Array]:
        """Return the inputs of U users: histories (U, L), padded on the left, and other columns."""
        found = self.raw.encode(self.others, users.frame, "users")
        return found | {name: self._history(users, of) for name, of in self.form.repeats.items()}

    def unknown(self, users: RawHistories, inputs: Mapping[str, Array]) -> npt.NDArray[np.bool_]:
        """Return the mask of users that the model knows nothing of, (U,).

        They have an unknown id, no known item in their history, and the model reads no more.
        """
        mask = np.full(len(users.users), len(self.of_user) == len(self.others))
        least = 0 if self.raw.preprocessor is None else UNKNOWN
        if self.form.repeats and mask.any():
            mask &= ~(self._last(users, self._codes(users)) > least).any(axis=1)
        for name in self.of_user:
            mask &= np.asarray(inputs[name]) == UNKNOWN if least else False
        return mask

    def _history(self, users: RawHistories, of: str) -> Array:
        if of == self.item:
            return self._last(users, self._codes(users))
        column = self.items[of]
        if column.ndim != 1:
            raise ValueError(
                f"histories of {of!r}, with several values per item, are not supported"
            )
        rows = self.items.catalog.rows_of(users.items)
        return self._last(users, np.where(rows < 0, UNKNOWN, np.append(column, 0)[rows]))

    def _codes(self, users: RawHistories) -> Ids:
        return encode(self.raw.preprocessor, self.item, users.items)

    def _last(self, users: RawHistories, values: Array) -> Array:
        length = np.minimum(np.diff(users.start), self.form.length)
        return padded(values, users.start[1:] - length, length, self.form.length)


def repeated_inputs(
    features: Sequence[Any], raw: RawColumns, given: Mapping[str, str] | None
) -> dict[str, str]:
    """Return the input of items that each history repeats, by name.

    Args:
        features: The features of users.
        raw: The raw columns.
        given: Such pairs from the caller, which come first.

    Raises:
        ValueError: A sequence is neither a column of the preprocessor nor a history of one.
    """
    found = dict(given or {})
    for feature in features:
        name, shared = feature.name, getattr(feature, "shared_with", None)
        if name in found or not hasattr(feature, "pooling"):
            continue
        if name.startswith(PREFIX) and raw.has(name.removeprefix(PREFIX)):
            found[name] = name.removeprefix(PREFIX)
        elif raw.preprocessor is not None and raw.has(name):
            continue
        elif shared is not None and raw.has(shared):
            found[name] = shared
        else:
            raise ValueError(
                f"input {name!r} is a sequence, but not a history of a column: give "
                f"histories={{{name!r}: 'item'}} with the input of items that it repeats"
            )
    return found
