"""Where the rows of a table come from: the rule of a split, and the vocabulary of its ids."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


class HasDigest(Protocol):
    """A fitted vocabulary with a digest of its content, computed when it is read."""

    @property
    def digest(self) -> str:
        """16 hexadecimal digits."""


@dataclass(frozen=True)
class Origin:
    """The origin of rows; tables and data sets carry it as their attribute `origin`.

    Attributes:
        split: The rule of the split that they are a part of, and its arguments, such as
            {"rule": "random", "shares": [0.7, 0.1], "seed": 0}; None if they are no known part.
        vocabulary: The vocabulary that made their ids; None if it is unknown.

    Example:
        >>> Origin(split={"rule": "in_order", "k": 1}).split["rule"]
        'in_order'
    """

    split: Mapping[str, Any] | None = None
    vocabulary: HasDigest | None = None


def origin_of(data: Any) -> Origin:
    """The origin of a table or a data set, unknown if it carries none."""
    found = getattr(data, "origin", None)
    return found if isinstance(found, Origin) else Origin()
