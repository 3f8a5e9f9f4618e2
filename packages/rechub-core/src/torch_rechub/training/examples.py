"""Examples: tables of recommendations and of badly calibrated slices, to be read by people."""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from numpy.typing import NDArray

from .._bounds import check_whole, refuse_none

_USERS = re.compile(
    r"users?|uid|用户(_?id|编号)?"
    r"|(user|usr|member|customer|visitor|account|device|client|session)[_-]?(id|no|num|key)",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class Examples:
    """The options of tables of examples, for `Recording(examples=...)`.

    They are recorded once, at the end of training, of the best weights on the test data, or else on
    the validation data:

    - ``examples/top_k``, of retrieval, next-item and generative models: the recommendations for
      some users, with titles, the relevant items marked, and those that were missed.
    - ``examples/slices``, of models that predict probabilities: for the values of the categorical
      columns with the largest errors of calibration, the mean prediction and the observed rate.

    Attributes:
        users: The number of users.
        k: The number of recommendations for each.
        titles: The title of each item, by its id: a dict, a pandas Series, or a list or an array
            with one title for each id from 0; None for no titles.
        user, item: The columns of ids in `RetrievalData`; None means the first ones.
        slices: The number of slices.
        min_rows: The smallest number of rows of a slice.
        names: The texts of the values of columns in slices: {column: titles as above}.
        hash_users: Whether ids of users are replaced by a hash. It hides them from readers of the
            table, not from those who can hash a list of all ids, unless `salt` is secret. In slices
            the values of `group_column`, and of columns with names such as "user_id", are replaced.
        salt: A text that is hashed with each id.

    Raises:
        TypeError: `titles` or `names` have another type.
        ValueError: A number is out of range.

    Example:
        >>> Examples(titles={7: "Heat"}).title(7), Examples(titles=["Alien", "Heat"]).title(1)
        ('Heat', 'Heat')
        >>> Examples().user_label(42), Examples(hash_users=False).user_label(42)
        ('user-487513dc2c', '42')
    """

    users: int = 5
    k: int = 10
    titles: Any = None
    user: str | None = None
    item: str | None = None
    slices: int = 10
    min_rows: int = 100
    names: Mapping[str, Any] | None = None
    hash_users: bool = True
    salt: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        numbers = {"users": self.users, "slices": self.slices}
        refuse_none(**numbers, k=self.k, min_rows=self.min_rows)
        check_whole(0, **numbers)
        check_whole(1, k=self.k, min_rows=self.min_rows)
        _check_titles("titles", self.titles)
        if not isinstance(self.names, Mapping | None):
            raise TypeError(f"names must be a dict of columns, got {type(self.names).__name__}")
        for column, titles in (self.names or {}).items():
            _check_titles(f"names[{column!r}]", titles)
        if self.hash_users not in (False, True):
            raise ValueError(f"hash_users must be True or False, got {self.hash_users!r}")
        if not isinstance(self.salt, str):
            raise TypeError(f"salt must be a text, got a {type(self.salt).__name__}")

    def title(self, item: Any) -> str | None:
        """Return the title of an item, or None."""
        return _title(self.titles, item)

    def value_label(self, column: str, value: Any, is_user: bool) -> str:
        """Return the text of a value of a column.

        Args:
            column: The column.
            value: The value.
            is_user: Whether the column is known to hold users.
        """
        name = _title((self.names or {}).get(column), value)
        if name is not None:
            return name
        of_users = is_user or _USERS.fullmatch(column) is not None
        return self.user_label(value) if of_users else str(value)

    def user_label(self, user: Any) -> str:
        """Return the id of a user, or its hash."""
        if not self.hash_users:
            return str(user)
        digest = hashlib.sha256(f"{self.salt}\x1f{user}".encode("utf-8", "backslashreplace"))
        return f"user-{digest.hexdigest()[:10]}"


class ExampleTable(NamedTuple):
    """A table to record.

    Attributes:
        name: Its name.
        columns: The names of its columns.
        rows: Its rows, one cell per column.
    """

    name: str
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


class Outcome(NamedTuple):
    """The results of a training run that are computed on request.

    Attributes:
        predictions: Returns labels and probabilities of the validation data for plots; None if
            there are none.
        examples: Returns tables of examples.
    """

    predictions: Callable[[], tuple[NDArray[Any], NDArray[Any]] | None]
    examples: Callable[[Examples], list[ExampleTable]]


def _check_titles(name: str, titles: Any) -> None:
    kinds = titles is None or hasattr(titles, "get") or hasattr(titles, "__getitem__")
    if isinstance(titles, str | bytes) or not kinds:
        raise TypeError(
            f"{name} must be a dict of ids to texts, or a list of them, got {type(titles).__name__}"
        )


def _title(titles: Any, value: Any) -> str | None:
    if titles is None:
        return None
    if hasattr(titles, "get"):  # a dict or a Series
        found = titles.get(value)
    elif isinstance(titles, Sequence) or hasattr(titles, "__len__"):
        is_row = isinstance(value, int) and 0 <= value < len(titles)
        found = titles[value] if is_row else None
    else:
        found = None
    return None if found is None else str(found)
