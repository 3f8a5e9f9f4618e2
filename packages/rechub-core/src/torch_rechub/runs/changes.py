"""`Change`: one thing that differs between two runs."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

Kind = Literal["data", "vocabulary", "split", "code", "environment", "settings", "seed"]
KINDS: tuple[Kind, ...] = (
    "data", "vocabulary", "split", "code", "environment", "settings", "seed"
)  # fmt: skip


@dataclass(frozen=True)
class Change:
    """One thing that differs between two runs.

    Attributes:
        kind: "data", "vocabulary", "split", "code", "environment", "settings" or "seed".
        name: The column, package or hyper-parameter; empty where the whole differs.
        how: The way in which it differs, such as "other values"; empty where before and after say
            so.
        before: Its value in the first run; None if it has none, or none that is recorded.
        after: Its value in the second run.
        where: The data sets in which it differs, such as ("train", "val"); empty where it is none.

    Example:
        >>> Change("data", "price", "other values", where=("train",)).what
        'price (train)'
    """

    kind: Kind
    name: str = ""
    how: str = ""
    before: Any = None
    after: Any = None
    where: tuple[str, ...] = ()

    @property
    def what(self) -> str:
        """The name, and the data sets in which it differs."""
        where = ", ".join(self.where)
        return f"{self.name} ({where})" if self.name and where else self.name or where

    def to_dict(self) -> dict[str, Any]:
        """Return the change as plain data."""
        return {**asdict(self), "where": list(self.where)}


def united(changes: Iterable[Change]) -> list[Change]:
    """Unite changes that are the same in several data sets.

    Example:
        >>> united([Change("data", "a", where=("train",)), Change("data", "a", where=("val",))])
        [Change(kind='data', name='a', how='', before=None, after=None, where=('train', 'val'))]
    """
    found: list[Change] = []
    for change in changes:
        for place, other in enumerate(found):
            if replace(other, where=()) == replace(change, where=()):
                found[place] = replace(other, where=(*other.where, *change.where))
                break
        else:
            found.append(change)
    return found
