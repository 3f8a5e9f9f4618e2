"""Samples for retrieval models: history, target item, and negatives."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from .._bounds import check_whole
from .histories import Histories, histories, require_columns, rows, stretches
from .negative import draw, draw_others, numpy_generator, popularity, python_generator
from .padding import pad_sequences
from .table import df_to_dict

log = logging.getLogger("torch_rechub.data")

Array = npt.NDArray[Any]
Ids = npt.NDArray[np.int64]


def generate_seq_feature_match(
    data: pd.DataFrame,
    user_col: str,
    item_col: str,
    time_col: str,
    item_attribute_cols: Sequence[str] | None = None,
    sample_method: int = 0,
    mode: int = 0,
    neg_ratio: int = 0,
    min_item: int = 0,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Create retrieval samples of every interaction with a history; the last of a user is for test.

    The history of a target are all earlier interactions of the user, in the order of time (ties in
    the order of the rows). Ids are not encoded. Negatives are drawn from all
    items but the target, with the probabilities of `negative_sample`. Samples are in random order.

    Reproducible under `numpy.random.seed` (the negatives) and `random.seed` (the order).

    Args:
        data: One interaction per row; it is not changed.
        user_col: Column of the user.
        item_col: Column of the item.
        time_col: Column of the time, in any unit that can be sorted.
        item_attribute_cols: Columns of item attributes, each of which gets a history, too.
        sample_method: Method of `negative_sample`: 0 uniform, 1 as word2vec, 2 logarithmic, 3 RALM.
        mode: The training mode: 0 point-wise, 1 pair-wise, 2 list-wise.
        neg_ratio: Negatives for each target; 0 means one in mode 1.
        min_item: Users with fewer interactions are skipped.

    Returns:
        (train, test) with the columns `<user>`, `<item>` (the target), `hist_<item>` (arrays),
        `histlen_<item>` and `hist_<attribute>` for each attribute; then, by mode,

        0: `label`, 1 for a target, which is followed by `neg_ratio` negative rows with label 0;
        1: `neg_items`, one negative; each target comes in `neg_ratio` rows;
        2: `neg_items`, arrays of `neg_ratio` negatives.

        In test that last column is 1 everywhere, in all modes. The arrays of histories are
        read-only views of one array, so that their memory does not grow with their length.

    Raises:
        KeyError: A column is missing.
        ValueError: A user, an item or a time is missing, or an argument has another value.

    Example:
        >>> log = pd.DataFrame({"user": [1, 1, 1], "item": [7, 8, 9], "time": [3, 1, 2]})
        >>> train, test = generate_seq_feature_match(log, "user", "item", "time")
        >>> train.to_dict("records")
        [{'user': 1, 'item': 9, 'hist_item': array([8]), 'histlen_item': 1, 'label': 1}]
        >>> test["hist_item"][0]
        array([8, 9])
    """
    if mode not in (0, 1, 2):
        raise ValueError(f"mode must be 0, 1 or 2, got {mode!r}")
    check_whole(int(mode == 2), neg_ratio=neg_ratio)
    check_whole(0, min_item=min_item)
    attributes = list(item_attribute_cols or [])
    order = histories(data, user_col, item_col, time_col)
    require_columns(data, attributes)
    place = order.targets(min_item)
    is_last = place == order.stop[place] - 1
    n_negatives = max(neg_ratio, 1) if mode == 1 else neg_ratio
    t = place[~is_last]
    negatives = _negatives(data[item_col], order.row[t], n_negatives, sample_method)

    samples = _Samples(data, order, user_col, item_col, attributes)
    shuffle = python_generator()
    train = _train(samples, t, negatives, mode, shuffle)
    t = shuffle.permutation(place[is_last])
    ones = np.ones(len(t), dtype=np.int64)
    test = samples.before(t, {"label" if mode == 0 else "neg_items": ones})
    log.info("%d training and %d test samples", len(train), len(test))
    return train, test


class _Samples:
    """Creates rows of a user, an item and a history."""

    def __init__(
        self,
        data: pd.DataFrame,
        order: Histories,
        user_col: str,
        item_col: str,
        attributes: Sequence[str],
    ) -> None:
        self.order, self.attributes = order, attributes
        self.user_col, self.item_col = user_col, item_col
        self.series: dict[str, Array] = {
            name: data[name].to_numpy()[order.row] for name in (user_col, item_col, *attributes)
        }

    def before(self, t: Ids, last: dict[str, Array], item: Array | None = None) -> pd.DataFrame:
        """Return a row for each position t: its item or a negative, history, last column."""
        start, item_col = self.order.start.take(t), self.item_col
        columns = {
            self.user_col: self.series[self.user_col].take(t),
            item_col: self.series[item_col].take(t) if item is None else item,
            f"hist_{item_col}": stretches(self.series[item_col], start, t),
            f"histlen_{item_col}": t - start,
        }
        for name in self.attributes:
            columns[f"hist_{name}"] = stretches(self.series[name], start, t)
        frame: pd.DataFrame = pd.DataFrame(columns | last, copy=False)  # each array is new
        return frame


def _train(
    samples: _Samples, t: Ids, negatives: Array, mode: int, shuffle: np.random.Generator
) -> pd.DataFrame:
    """Return the rows of the targets at positions t with negatives (len(t), n), shuffled."""
    n = negatives.shape[1]
    rows_of_each = (1 + n, n, 1)[mode]
    number = shuffle.permutation(len(t) * rows_of_each)
    column = np.zeros_like(number)
    if rows_of_each > 1:
        number, column = np.divmod(number, rows_of_each)
    if mode == 0:
        target = samples.series[samples.item_col][t]
        item = np.column_stack([target, negatives])[number, column]
        return samples.before(t.take(number), {"label": (column == 0).astype(np.int64)}, item)
    chosen = negatives[number, column] if mode == 1 else rows(negatives.take(number, axis=0))
    return samples.before(t.take(number), {"neg_items": chosen})


def _negatives(items: pd.Series, row: Ids, n: int, method: int) -> Array:
    """Draw n negatives for the item of each row, shape (len(row), n)."""
    code, catalog = pd.factorize(items)
    rng = numpy_generator()
    p = popularity(np.bincount(code), method) if len(items) else np.empty(0)
    target = np.broadcast_to(code[row][:, None], (len(row), n))
    if not target.size:
        return np.empty(target.shape, dtype=items.to_numpy().dtype)
    place = draw(rng, p, target.size).reshape(target.shape)
    clash = place == target
    place[clash] = draw_others(rng, p, target[clash])
    drawn: Array = np.asarray(catalog).take(place)
    return drawn


def gen_model_input(
    df: pd.DataFrame,
    user_profile: pd.DataFrame,
    user_col: str,
    item_profile: pd.DataFrame,
    item_col: str,
    seq_max_len: int,
    padding: str = "pre",
    truncating: str = "pre",
) -> dict[str, Array]:
    """Join samples with user and item profiles to the input arrays of models.

    Args:
        df: N samples, as returned by `generate_seq_feature_match`.
        user_profile: One row for each user.
        user_col: Column of the user in both.
        item_profile: One row for each item.
        item_col: Column of the item in both.
        seq_max_len: Length L of padded sequences: the columns `hist_…` and `tag_…`.
        padding: The side of padding; see `pad_sequences`.
        truncating: The side of truncation; see `pad_sequences`.

    Returns:
        The columns by name, in the order of `df`, `user_profile`, `item_profile`: arrays of shape
        (N,); (N, L) for sequences; (N, n) where cells are lists of n.

    Raises:
        ValueError: A sample's user or item has no profile, or more than one.

    Example:
        >>> df = pd.DataFrame({"user": [1], "item": [7], "hist_item": [[8, 9]]})
        >>> ages = pd.DataFrame({"user": [1, 2], "age": [30, 40]})
        >>> prices = pd.DataFrame({"item": [7, 8, 9], "price": [1.5, 2.5, 3.5]})
        >>> x = gen_model_input(df, ages, "user", prices, "item", seq_max_len=3)
        >>> x["hist_item"], x["age"], x["price"]
        (array([[0, 8, 9]]), array([30]), array([1.5]))
    """
    df = _joined(_joined(df, user_profile, user_col), item_profile, item_col)
    is_sequence = df.columns.str.startswith(("hist_", "tag_"))
    sequences = {
        name: pad_sequences(df[name], seq_max_len, np.int64, padding, truncating)
        for name in df.columns[is_sequence]
    }
    others = df_to_dict(df.loc[:, ~is_sequence])
    return {name: sequences[name] if name in sequences else others[name] for name in df.columns}


def _joined(df: pd.DataFrame, profile: pd.DataFrame, key: str) -> pd.DataFrame:
    twice = profile[key][profile[key].duplicated()]
    if len(twice):
        raise ValueError(
            f"the profile has several rows for {key} {twice.iloc[0]}: keep one of each, with "
            f"drop_duplicates({key!r})"
        )
    unknown = df[key][~df[key].isin(profile[key])]
    if len(unknown):
        raise ValueError(f"the profile has no row for {key} {unknown.iloc[0]}, which a sample has")
    joined: pd.DataFrame = df.merge(profile, on=key, how="left")
    return joined
