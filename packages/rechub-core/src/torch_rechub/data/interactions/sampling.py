"""Samples of interactions: each target with the rows of its user before it."""

import logging
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from ..._bounds import check_whole, refuse_none
from .columns import check_names
from .filters import Filters
from .leaks import LeakError
from .log import Log
from .rows import require_ids
from .samples import Samples
from .windows import Windows, windows_before

_LOG = logging.getLogger("torch_rechub.data")

Array = npt.NDArray[Any]
Ids = npt.NDArray[np.int64]
S = TypeVar("S", bound="Sampling")


class Sampling(Filters):
    """The histories of `Interactions`."""

    def samples(
        self,
        max_length: int = 50,
        *,
        attributes: Sequence[str] = (),
        context: Sequence[str] = (),
        seconds: Sequence[str] = (),
        ties: str = "row_order",
        positives: float | None = None,
        min_history: int = 1,
        labels: bool = False,
        past_labels: bool = False,
    ) -> Samples:
        """Return each interaction as a target, with the history of its user before it.

        Histories come from these interactions, or for a part of a split from the rows that its rule
        allows (see `Split`), and in any case from before the target. By the convention of the
        field, and of the other builders of this package, rows at the time of the target are before
        it if they precede it in the data. Where rows at one time are answers to one request, such
        as the items of one page, that leaks: take `ties="exclude"`.

        Args:
            max_length: Length L of histories: the last L rows.
            attributes: Columns of items: the target's as `<name>`, and the history's as
                `hist_<name>` if they have one number per row.
            context: Other columns of the target's row, such as those of its user.
            seconds: Times of the rows of the history, in whole seconds: "since_previous", from the
                user's previous row, 0 for the first; "until_request", until the target;
                "until_last", until the last row of the history.
            ties: "row_order", or "exclude": rows at the time of the target are not in its history.
            positives: Histories hold only rows with a label of at least this.
            min_history: Targets with fewer rows in their past are left out; 0 takes all.
            labels: Whether the samples have labels, those of the label column.
            past_labels: Whether the labels of the history are a column, `hist_<label>`.

        Returns:
            `Samples` in the order of user, time and row: `<user>` and `<item>` (N,), `hist_<item>`
            (N, L) padded with 0 on the left, and those above; `hist_<kind>` for seconds.

        Raises:
            KeyError: A column is missing.
            LeakError: A history would hold a row that is not of its past, or the label of the
                target would be an input.
            TypeError: A column of ids does not hold whole numbers: `encode` first.
            ValueError: An id of an item is 0, a number is too small, or there are no labels.

        Example:
            >>> from torch_rechub.data.interactions import Interactions
            >>> log = {"user": [1, 1, 1], "item": [7, 8, 9], "time": [10, 30, 35]}
            >>> data = Interactions(log, "user", "item", "time")
            >>> data.samples(3, seconds=["since_previous"])["hist_since_previous"]
            array([[ 0,  0,  0],
                   [ 0,  0, 20]])
        """
        refuse_none(max_length=max_length, min_history=min_history)
        check_whole(1, max_length=max_length)
        check_whole(0, min_history=min_history)
        past = self._past
        if positives is not None:
            past = past[self._is_positive(past, positives)]
        windows = windows_before(self._log, self._place, past, max_length, ties)
        windows = windows.take(windows.available >= min_history)
        _LOG.info("%d of %d rows have a history and become samples", len(windows.target), len(self))
        columns, names = self._inputs(windows, attributes, context, seconds)
        if past_labels:
            columns[f"hist_{self._label_name()}"] = windows.column(self._label_name())
        y = self._log.column(self._label_name(), windows.target) if labels else None
        return Samples(columns, windows, names, y, split=self._split)

    def pieces(
        self,
        max_length: int = 50,
        *,
        stride: int | None = None,
        attributes: Sequence[str] = (),
        context: Sequence[str] = (),
        seconds: Sequence[str] = (),
    ) -> Samples:
        """Cut each user's sequence into pieces, with the next item at each step.

        For models that are trained on every step, such as `SASRec` and those of `SeqTrainer`.
        Only these interactions are in the pieces, never those of another part. The last piece
        ends with the user's last row, the one before it `stride` rows earlier, and so on; the last
        row of a piece is its target. Users with one row have no piece.

        Args:
            max_length: Length L of a piece without its target.
            stride: Rows between the ends of pieces. They overlap if it is less than L; None
                means L, so that each row but a user's first is the next item of one step.
            attributes: Columns of items, also as `next_<name>`.
            context: Other columns of the target's row.
            seconds: As in `samples`.

        Returns:
            `Samples` as of `samples`, with `next_<item>` (N, L); by user, the last piece first.

        Raises:
            KeyError: A column is missing.
            TypeError: As in `samples`.
            ValueError: As in `samples`.

        Example:
            >>> from torch_rechub.data.interactions import Interactions
            >>> log = {"user": [1] * 4, "item": [6, 7, 8, 9], "time": [1, 2, 3, 4]}
            >>> x = Interactions(log, "user", "item", "time").pieces(max_length=2)
            >>> x["hist_item"].tolist(), x["next_item"].tolist(), x["item"].tolist()
            ([[7, 8], [0, 6]], [[8, 9], [0, 7]], [9, 7])
        """
        stride = max_length if stride is None else stride
        refuse_none(max_length=max_length)
        check_whole(1, max_length=max_length, stride=stride)
        target = self._place[_piece_ends(self._log.user[self._place], stride)]
        windows = windows_before(self._log, target, self._place, max_length, "row_order")
        columns, names = self._inputs(windows, attributes, context, seconds)
        for name in self._in_history(names):
            columns[f"next_{name}"] = windows.next_column(name)
        return Samples(columns, windows, names, in_steps=True, split=self._split)

    def _inputs(
        self,
        windows: Windows,
        attributes: Sequence[str],
        context: Sequence[str],
        seconds: Sequence[str],
    ) -> tuple[dict[str, Array], tuple[str, ...]]:
        """Return the columns of samples, and the names of the attributes."""
        log, target = self._log, windows.target
        names, others = check_names(attributes, "attributes"), check_names(context, "context")
        for name in (log.user_name, log.item_name):
            require_ids(log, name, "an input")
        for name in (*names, *others):
            if name == log.label_name:
                raise LeakError(
                    f"column {name!r} is the label: as an attribute or as context, that of the "
                    "target would be an input; take past_labels=True for those of the history"
                )
            _require_numbers(log, name)
        columns = {name: log.column(name, target) for name in (log.user_name, log.item_name)}
        columns |= {name: log.column(name, target) for name in (*names, *others)}
        for name in self._in_history(names):
            columns[f"hist_{name}"] = windows.column(name)
        for kind in check_names(seconds, "seconds"):
            columns[f"hist_{kind}"] = windows.seconds(kind)
        return columns, names

    def _in_history(self, attributes: Sequence[str]) -> list[str]:
        """Return the item and the attributes with one number per row."""
        columns = self._log.columns
        return [self._log.item_name, *(name for name in attributes if columns[name].ndim == 1)]

    def _label_name(self) -> str:
        if self._log.label_name is None:
            raise ValueError("there is no label column: name it, as in Interactions(…, label=…)")
        return self._log.label_name


def _piece_ends(user: Ids, stride: int) -> Ids:
    """Return the positions of the last rows of pieces: by user, the last one first."""
    count = np.bincount(user)
    count = count[count > 0]
    n_pieces = np.where(count > 1, (count - 2) // stride + 1, 0)
    number = np.arange(n_pieces.sum()) - np.repeat(np.cumsum(n_pieces) - n_pieces, n_pieces)
    ends: Ids = np.repeat(np.cumsum(count) - 1, n_pieces) - number * stride
    return ends


def _require_numbers(log: Log, name: str) -> None:
    column = log.columns.get(name)
    if column is not None and column.dtype.kind not in "if":
        raise TypeError(
            f"an input needs numbers in column {name!r}, which holds {column.dtype}: call encode() "
            "first, or encode the data by a Preprocessor"
        )
