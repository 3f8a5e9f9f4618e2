"""Samples for ranking models with histories: history, target, and label."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from .._bounds import check_whole
from .encoding import label_encode
from .histories import Histories, histories, padded, require_columns, rows
from .negative import draw_unseen, python_generator

Array = npt.NDArray[Any]
Ids = npt.NDArray[np.int64]
Frames = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]


def generate_seq_feature(
    data: pd.DataFrame,
    user_col: str,
    item_col: str,
    time_col: str,
    item_attribute_cols: Sequence[str] = (),
    min_item: int = 0,
    shuffle: bool = True,
    max_len: int = 50,
    *,
    inplace: bool = True,
) -> Frames:
    """Create a positive and a negative ranking sample of every interaction with a history.

    Users, items and attributes are encoded as ids: the rank of the value among the distinct ones of
    its column, from 1. With `inplace=True` the columns of `data` are encoded, too. The vocabulary
    size is `data[column].nunique() + 1`. The history of a target are the last `max_len` earlier
    interactions of the user, in the order of time (ties in the order of the rows), padded with 0 on
    the right. The negative is drawn uniformly from the items without any interaction of the user.
    The last interaction of a user is for testing, the last but one for validation, all others for
    training.

    Reproducible under `random.seed`.

    Args:
        data: One interaction per row.
        user_col: Column of the user.
        item_col: Column of the item.
        time_col: Column of the time, in any unit that can be sorted.
        item_attribute_cols: Columns of item attributes; if the rows of an item differ, the last one
            is the attribute of a target.
        min_item: Users with fewer interactions are skipped.
        shuffle: Whether to shuffle the samples; otherwise they are sorted by user, then by time,
            with each negative after its positive.
        max_len: Length L of the histories.
        inplace: Whether to replace the columns of `data` by the ids. Encoding a frame of such ids
            again does not change it.

    Returns:
        (train, validation, test) with the columns `label` (1 or 0), `target_<item>`, `<user>`,
        `hist_<item>` (arrays of shape (L,)) and, for each attribute, `hist_<attribute>` and
        `target_<attribute>`.

    Raises:
        KeyError: A column is missing.
        TypeError: A column to be encoded holds values without an order, such as lists.
        ValueError: A user, an item or a time is missing, or a user has interacted with every item.

    Example:
        >>> log = pd.DataFrame({"user": list("aaaab"), "item": [10, 20, 30, 20, 40]})
        >>> log["time"] = [1, 2, 3, 4, 5]
        >>> train, val, test = generate_seq_feature(log, "user", "item", "time", max_len=3)
        >>> val[val.label == 1].to_dict("records")
        [{'label': 1, 'target_item': 3, 'user': 1, 'hist_item': array([1, 2, 0], dtype=int32)}]
    """
    names = [item_col, *item_attribute_cols]
    order = histories(data, user_col, item_col, time_col)
    require_columns(data, names)
    ids = _ids(data, data.columns if inplace else names)
    frames = []
    for part in _parts(order, {name: ids[name] for name in names}, min_item, shuffle, max_len):
        columns = {
            "label": part.label,
            f"target_{item_col}": part.target[item_col],
            user_col: part.user,
            f"hist_{item_col}": part.history[item_col],
        }
        for name in item_attribute_cols:
            columns[f"hist_{name}"] = part.history[name]
            columns[f"target_{name}"] = part.target[name]
        frames.append(pd.DataFrame(columns))
    if inplace:
        _relabel(data, ids)
    return frames[0], frames[1], frames[2]


def create_seq_features(
    data: pd.DataFrame,
    seq_feature_col: Sequence[str] = ("item_id", "cate_id"),
    max_len: int = 50,
    drop_short: int = 3,
    shuffle: bool = True,
    *,
    inplace: bool = True,
) -> Frames:
    """Create ranking samples as `generate_seq_feature`, for items and categories.

    Args:
        data: One interaction per row, with the columns `user_id`, `time` and those below.
        seq_feature_col: Columns of the item and of its category.
        max_len: Length L of the histories.
        drop_short: Users with fewer interactions are skipped.
        shuffle: Whether to shuffle the samples.
        inplace: Whether to replace the columns of `data` by the ids.

    Returns:
        (train, validation, test) with the columns `user_id`, `history_item`, `history_cate`,
        `target_item`, `target_cate` and `label`; the parts are disjoint.

    Raises:
        KeyError: A column is missing.
        TypeError: As `generate_seq_feature`.
        ValueError: As `generate_seq_feature`, or not two columns.

    Example:
        >>> log = pd.DataFrame({"user_id": [1, 1, 1], "item_id": [7, 8, 9], "cate_id": [5, 6, 5]})
        >>> log["time"] = [3, 2, 1]
        >>> log.loc[3] = [2, 10, 5, 4]
        >>> train, val, test = create_seq_features(log, max_len=2, shuffle=False)
        >>> len(train), len(val), test.history_item[0], test.target_item.tolist()
        (0, 2, array([3, 2], dtype=int32), [1, 4])
    """
    if isinstance(seq_feature_col, str) or len(seq_feature_col) != 2:
        raise ValueError(
            "seq_feature_col takes the columns of the item and of its category, such as "
            f"['item_id', 'cate_id'], got {seq_feature_col!r}"
        )
    item, category = seq_feature_col
    order = histories(data, "user_id", item, "time")
    require_columns(data, [category])
    ids = _ids(data, data.columns if inplace else seq_feature_col)
    frames = [
        pd.DataFrame(
            {
                "user_id": part.user,
                "history_item": part.history[item],
                "history_cate": part.history[category],
                "target_item": part.target[item],
                "target_cate": part.target[category],
                "label": part.label,
            }
        )
        for part in _parts(
            order, {name: ids[name] for name in seq_feature_col}, drop_short, shuffle, max_len
        )
    ]
    if inplace:
        _relabel(data, ids)
    return frames[0], frames[1], frames[2]


@dataclass(frozen=True)
class _Part:
    """M samples: `target` has a column (M,) by name, `history` one of M arrays."""

    user: Ids
    label: Ids
    target: dict[str, Ids]
    history: dict[str, Array]


def _parts(
    order: Histories, ids: dict[str, Ids], min_items: int, shuffle: bool, max_len: int
) -> list[_Part]:
    """Return the samples of training, validation and test; the first of `ids` are the items."""
    check_whole(0, min_item=min_items)
    check_whole(1, max_len=max_len)
    rng = python_generator()
    item = next(iter(ids.values()))
    n_items = int(item.max(initial=0))
    place = order.targets(min_items)
    negative = draw_unseen(
        rng, order.user, item[order.row], n_items, order.user[place], order.user_ids
    )

    of_item, series = {}, {}
    for name, column in ids.items():
        of_item[name] = np.zeros(n_items + 1, dtype=np.int64)
        of_item[name][item] = column
        series[name] = column[order.row].astype(np.int32)

    parts = []
    ahead = order.stop[place] - 1 - place
    for chosen in (ahead > 1, ahead == 1, ahead == 0):
        sample = np.arange(2 * np.count_nonzero(chosen))
        if shuffle:
            rng.shuffle(sample)
        number, is_negative = np.divmod(sample, 2)
        t = place[chosen][number]
        target = np.where(is_negative, negative[chosen][number], item[order.row[t]])
        first = np.maximum(order.start[t], t - max_len)
        parts.append(
            _Part(
                user=order.user[t] + 1,
                label=1 - is_negative,
                target={name: column[target] for name, column in of_item.items()},
                history={
                    name: rows(padded(column, first, t - first, max_len, "post"))
                    for name, column in series.items()
                },
            )
        )
    return parts


def _ids(data: pd.DataFrame, names: Iterable[str]) -> dict[str, Ids]:
    found = {}
    for name in names:
        try:
            found[name] = label_encode(data[name])
        except TypeError as error:
            raise TypeError(
                f"column {name!r} cannot be replaced by ids ({error}): leave it out of data, or "
                "leave data as it is, with inplace=False"
            ) from error
    return found


def _relabel(data: pd.DataFrame, ids: dict[str, Ids]) -> None:
    for name, column in ids.items():
        data[name] = column
