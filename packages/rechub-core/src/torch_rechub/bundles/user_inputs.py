"""The inputs of users that a retrieval model reads, from their raw histories."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from .._bounds import check_whole
from ..data.histories import padded, stretches
from .errors import BundleError
from .histories import HistoryForm, RawHistories
from .item_inputs import EncodedItems
from .raw import RawColumns
from .vocabularies import encode

Array = npt.NDArray[Any]
Ids = npt.NDArray[np.int64]

PREFIX = "hist_"
UNKNOWN = 1
_LONGEST = 2**20  # a larger number is an edited one, and would exhaust memory


@dataclass(frozen=True)
class UserForm:
    """How raw users become inputs, as a part of a bundle.

    Args:
        histories: The names of raw columns.
        inputs: The inputs of the model.
        repeats: For each of them that is a history, the input of items that it repeats.
        length: Length L of histories; None where the model reads none.
        size: Number of item ids; without a preprocessor, others are padding in histories.
    """

    histories: HistoryForm
    inputs: Sequence[str]
    repeats: Mapping[str, str]
    length: int | None = None
    size: int | None = None

    def __post_init__(self) -> None:
        check_whole(1, length=self.length, size=self.size)
        if self.repeats and self.length is None:
            raise ValueError("save needs length=, that of histories in training")
        if self.length is not None and self.length > _LONGEST:
            raise ValueError(f"length must be at most {_LONGEST}, got {self.length}")

    def write(self, folder: Path) -> dict[str, Any]:
        """Return the settings; there are no files."""
        return {
            "histories": self.histories.write(folder),
            "inputs": list(self.inputs),
            "repeats": dict(self.repeats),
            "length": self.length,
            "size": self.size,
        }

    @classmethod
    def read(cls, folder: Path, settings: Mapping[str, Any]) -> "UserForm":
        """Read the settings.

        Raises:
            BundleError: They are not as written.
        """
        try:
            histories = HistoryForm.read_part(settings["histories"])
            inputs, repeats = list(settings["inputs"]), dict(settings["repeats"])
            return cls(histories, inputs, repeats, settings["length"], settings["size"])
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(f"the settings of users are not as written: {error}") from error


class UserInputs:
    """Makes the inputs of users.

    Args:
        form: The form of users.
        items: The encoded items.

    Raises:
        BundleError: The form has an input that the preprocessor lacks.
    """

    def __init__(self, form: UserForm, items: EncodedItems) -> None:
        self.form, self.items, self.raw = form, items, items.raw
        self.others = [name for name in form.inputs if name not in form.repeats]
        wanted = [*self.others, *form.repeats.values()]
        if unknown := [name for name in wanted if not self.raw.has(name)]:
            raise BundleError(f"the preprocessor has no input {unknown[0]!r}, which users have")
        self.user = form.histories.user
        self.item = self.raw.input_of(items.catalog.item)

    def read(self, users: Any) -> RawHistories:
        """Read raw users; see `HistoryForm.read`."""
        columns = [source for name in self.others for source in self.raw.sources(name)]
        return self.form.histories.read(users, bool(self.form.repeats), False, columns)

    def __call__(self, users: RawHistories) -> dict[str, Array]:
        """Return the inputs of U users: histories (U, L), padded on the left, and other columns.

        Raises:
            KeyError: A column is missing.
            ValueError: A cell does not fit its column.
        """
        frame, history = users.frame, PREFIX + self.items.catalog.item
        if users.log is not None and any(self.raw.sources(n) == (history,) for n in self.others):
            lists = stretches(users.items, users.start[:-1], users.start[1:])
            frame = frame.assign(**{history: lists})
        found = self.raw.encode(self.others, frame, "users")
        return found | {name: self._history(users, of) for name, of in self.form.repeats.items()}

    def unknown(self, inputs: Mapping[str, Array]) -> npt.NDArray[np.bool_]:
        """Return the mask of users that the model knows nothing of, (U,).

        They have an unknown id, nothing known in their history, and the model reads no more.
        """
        n_users = len(next(iter(inputs.values())))
        history = (PREFIX + self.items.catalog.item,)
        more = [n for n in self.others if self.raw.sources(n) not in ((self.user,), history)]
        if more:
            return np.zeros(n_users, dtype=bool)
        least = 0 if self.raw.preprocessor is None else UNKNOWN
        known = [(np.asarray(v).reshape(n_users, -1) > least).any(axis=1) for v in inputs.values()]
        unknown: npt.NDArray[np.bool_] = ~np.any(known, axis=0)
        return unknown

    def _history(self, users: RawHistories, of: str) -> Array:
        if of == self.item:
            return self._last(
                users, encode(self.raw.preprocessor, self.item, users.ids, self.form.size)
            )
        sources = self.raw.sources(of)
        own = {name: users.of_events(name) for name in sources}
        if any(values is None for values in own.values()):
            rows = self.items.catalog.rows_of(users.ids)
            least = 0 if self.raw.preprocessor is None else UNKNOWN
            column = self.items[of]
            values = (
                np.where(rows < 0, least, np.append(column, 0)[rows]) if _flat(column) else column
            )
        else:  # as training had them, where they change over time
            values = self.raw.encode([of], pd.DataFrame(own), "users")[of]
        if not _flat(values):
            raise ValueError(
                f"histories of {of!r}, with several values per item, are not supported"
            )
        return self._last(users, values)

    def _last(self, users: RawHistories, values: Array) -> Array:
        width = int(self.form.length or 0)
        length = np.minimum(np.diff(users.start), width)
        return padded(values, users.start[1:] - length, length, width)


def _flat(values: Array) -> bool:
    return values.ndim == 1


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
    tables = {f.name: getattr(f, "shared_with", None) for f in features}
    found = {name: of for name, of in (given or {}).items() if name in tables}
    for feature in features:
        name, shared = feature.name, tables[feature.name]
        while shared in tables and not raw.has(str(shared)) and shared != name:
            shared = tables[shared]
        if name in found or not hasattr(feature, "pooling"):
            continue
        if raw.preprocessor is not None and raw.has(name):
            continue
        if name.startswith(PREFIX) and raw.has(name.removeprefix(PREFIX)):
            found[name] = name.removeprefix(PREFIX)
        elif shared is not None and raw.has(shared):
            found[name] = shared
        else:
            raise ValueError(
                f"input {name!r} is a sequence, but not a history of a column: give "
                f"histories={{{name!r}: 'item'}} with the input of items that it repeats"
            )
    return found
