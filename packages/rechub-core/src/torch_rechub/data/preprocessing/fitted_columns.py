"""Uses of fitted columns other than encoding rows: features, raw values, parts, growth, files."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from ...types import FilePath
from . import inspection, saved_form
from .columns import Column, Encoder
from .columns.base import Feature
from .digest import FittedDigest
from .growth import grown_encoders
from .model_features import features_of
from .parsing import Declaration
from .schema import schema_of
from .selection import selected
from .targets import Target
from .vocabulary import Ids

if TYPE_CHECKING:
    import pandas as pd
    from typing_extensions import Self


class FittedColumns(ABC):
    """The part of `Preprocessor` that needs fitted columns only, fitted here or loaded."""

    columns: tuple[Column, ...]
    targets: tuple[Target, ...]
    weight: str | None
    _declaration: Declaration
    _encoders: dict[str, Encoder] | None

    @abstractmethod
    def __init__(self, columns: Any, targets: Any = (), weight: str | None = None) -> None: ...

    @property
    @abstractmethod
    def encoders(self) -> Mapping[str, Encoder]:
        """The fitted columns by name of the input."""

    @classmethod
    def _of(cls, declaration: Declaration, encoders: Mapping[str, Encoder]) -> "Self":
        made = cls(declaration.columns, declaration.targets, declaration.weight)
        made._encoders = dict(encoders)
        return made

    @classmethod
    def of_encoders(cls, columns: Sequence[Column], encoders: Mapping[str, Encoder]) -> "Self":
        """Return a preprocessor of fitted columns, without labels and weights.

        Args:
            columns: The columns.
            encoders: The fitted columns by name of the input.
        """
        return cls._of(Declaration(tuple(columns), (), None), encoders)

    @property
    def digest(self) -> str:
        """The digest of vocabularies and statistics, 16 hexadecimal digits.

        Equal vocabularies, statistics and settings have equal digests; runs and bundles record it.

        Raises:
            NotFittedError: Nothing was fitted yet.

        Example:
            >>> from torch_rechub.data.preprocessing import Categorical, Preprocessor
            >>> cities = [{"city": ["x", "y"]}, {"city": ["x", "z"]}]
            >>> a, b = (Preprocessor([Categorical("city")]).fit(data) for data in cities)
            >>> len(a.digest), a.digest == b.digest
            (16, False)
        """
        return FittedDigest(self.columns, self.encoders).digest

    def _encoder(self, name: str) -> Encoder:
        if name not in self.encoders:
            raise KeyError(f"there is no column {name!r}; there are {list(self.encoders)}")
        return self.encoders[name]

    def features(self, *names: str, embed_dim: int | None = None) -> list[Feature]:
        """Return the features of inputs, for models.

        Args:
            *names: Names of columns; none means all, in the order of declaration.
            embed_dim: Width of embeddings of columns without their own; None: that of features.

        Raises:
            KeyError: There is no column of a name.
            NotFittedError: Nothing was fitted yet.

        Example:
            >>> from torch_rechub.data.preprocessing import Categorical, Preprocessor
            >>> cities = Preprocessor([Categorical("city")]).fit({"city": ["a", "b"]})
            >>> cities.features(embed_dim=8)[0].vocab_size
            4
        """
        chosen = [self._encoder(name) for name in names] or list(self.encoders.values())
        return features_of(self.columns, chosen, embed_dim)

    def encode(self, name: str, values: Any) -> Ids:
        """Return the ids of raw values, the inverse of `decode`.

        Unknown values have id 1; missing ones the id that the column gives them, and 0 in a column
        of lists, whose rows leave them out.

        Args:
            name: Name of an input with a vocabulary, or of a hashed one.
            values: One value, or values of any shape; those of a column of lists are its elements.

        Raises:
            KeyError: There is no column of that name.
            ValueError: The column has no ids of single values, or a value does not fit it.

        Example:
            >>> from torch_rechub.data.preprocessing import Categorical, Preprocessor
            >>> cities = Preprocessor([Categorical("city")]).fit({"city": ["a", "b"]})
            >>> cities.encode("city", ["b", "z"])
            array([3, 1], dtype=int32)
        """
        return inspection.encode(self._encoder(name), values)

    def decode(self, name: str, ids: Any) -> npt.NDArray[Any]:
        """Return the raw values of ids; None for padding, unknown and missing values.

        Args:
            name: Name of an input with a vocabulary.
            ids: Ids of any shape.

        Example:
            >>> from torch_rechub.data.preprocessing import Categorical, Preprocessor
            >>> cities = Preprocessor([Categorical("city")]).fit({"city": ["a", "b"]})
            >>> cities.decode("city", [3, 2, 1])
            array(['b', 'a', None], dtype=object)
        """
        return inspection.decode(self._encoder(name), ids)

    def describe(self) -> "pd.DataFrame":
        """Return a table for people, a row for each column.

        Columns: kind; rows, missing cells, distinct values; size, the number of ids; unknown share,
        that of cells without an id of their own; low and high, the range.
        """
        return inspection.describe(self.columns, self.encoders)

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the raw rows that are encoded, without labels and weights.

        Each raw column has the types of JSON that it accepts, "null" where it may be missing, and
        as annotations its `kinds` and the `inputs` of a model that it becomes.

        Raises:
            NotFittedError: Nothing was fitted yet.

        Example:
            >>> from torch_rechub.data.preprocessing import Numeric, Preprocessor
            >>> schema = Preprocessor([Numeric("age", missing="error")]).fit({"age": [3]}).schema()
            >>> schema["properties"]["age"]
            {'type': ['string', 'number'], 'kinds': ['Numeric'], 'inputs': ['age']}
        """
        return schema_of(self.columns, self.encoders)

    def select(self, *names: str) -> "Self":
        """Return a fitted preprocessor of some inputs, without labels and weights.

        Ids stay as they are: a column whose vocabulary belongs to one that is left out owns it.

        Args:
            *names: Names of columns or of inputs, in their new order.

        Raises:
            KeyError: There is no column of a name.
            ValueError: No name is given.

        Example:
            >>> from torch_rechub.data.preprocessing import Categorical, Preprocessor
            >>> log = {"user": ["a", "b"], "item": [7, 9]}
            >>> both = Preprocessor([Categorical("user"), Categorical("item")]).fit(log)
            >>> dict(both.select("item").transform({"item": [9, 8]}))
            {'item': array([3, 1], dtype=int32)}
        """
        return self._of(*selected(self.columns, self.encoders, names))

    def grown(self, data: Any, **reading: Any) -> "Self":
        """Return a preprocessor with the new values of data appended to its vocabularies.

        Ids of before never change; new values follow in order of their frequency in `data`, ties
        by value. `min_count` applies to the counts in `data`, since those of values without an id
        were not kept; `max_size` limits old and new values together. Missing cells that have no id
        of their own yet, though their column gives them one, count as a new value. All else stays:
        statistics of numbers, quantiles, lengths of lists, given vectors. The columns without a
        vocabulary are not read. The result can be grown again, saved and fitted anew.

        Args:
            data: The rows; see `Preprocessor`.
            **reading: How files are read; see `Preprocessor.fit`.

        Raises:
            KeyError: A column is missing.
            NotFittedError: Nothing was fitted yet.
            ValueError: No rows, or a cell does not fit; the message names file, column and row.

        Example:
            >>> from torch_rechub.data.preprocessing import Categorical, Preprocessor
            >>> monday = Preprocessor([Categorical("city")]).fit({"city": ["b", "b", "a"]})
            >>> tuesday = monday.grown({"city": ["c", "d", "d", "a"]})
            >>> tuesday.encode("city", ["b", "a", "d", "c"])
            array([2, 3, 4, 5], dtype=int32)
        """
        return self._of(
            self._declaration, grown_encoders(self.columns, self.encoders, data, reading)
        )

    def save(self, folder: FilePath) -> None:
        """Save the fitted columns to a folder of JSON and Arrow files, whole or not at all.

        Args:
            folder: The folder; an earlier preprocessor in it is replaced.

        Raises:
            FileExistsError: The folder holds other files.
            ValueError: A function has no name of its own.
            NotFittedError: Nothing was fitted yet.
        """
        saved_form.write(folder, self._declaration, self.encoders)

    @classmethod
    def load(
        cls, folder: FilePath, functions: Mapping[str, Callable[..., Any]] | None = None
    ) -> "Self":
        """Load a saved preprocessor; it transforms as before, and cannot be fitted further.

        Args:
            folder: The folder.
            functions: The functions of `Numeric` columns, by name.

        Raises:
            FileNotFoundError: The folder has no preprocessor.
            ValueError: It is damaged, of another format or a newer version, or lacks a function.
        """
        saved = saved_form.read(folder, functions or {})
        return cls._of(saved.declaration, saved.encoders)
