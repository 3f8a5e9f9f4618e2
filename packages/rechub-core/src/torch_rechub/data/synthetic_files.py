"""Raw files of synthetic logs, to try preprocessing on: text ids, counts and empty cells."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from .._bounds import check_whole, refuse_none
from .._paths import local_path

if TYPE_CHECKING:
    from ..types import FilePath

Array = npt.NDArray[Any]
Ids = npt.NDArray[np.int64]

N_COUNTS, N_CATEGORIES = 13, 26
_INFORMATIVE = 6  # columns of either kind that the click depends on
_GROUPS = ("coffee", "tea", "cups", "pots", "books", "toys", "lamps", "bags", "shoes", "bikes")


def write_click_log(path: "FilePath", n_rows: int = 10_000, seed: int = 0) -> Array:
    r"""Write a click log in the form of Criteo's: TSV without a header.

    A row is a label, 13 counts, and 26 categories as hexadecimal texts with a long tail; cells are
    empty at rates of 0 to 40 %, by column. Clicks depend on six counts and six categories.

    Args:
        path: The file to write.
        n_rows: Number of rows N.
        seed: Seed of the draws.

    Returns:
        The probability of each click, shape (N,): the best score there is.

    Raises:
        ValueError: `n_rows` is below 1, or `seed` below 0.

    Example:
        >>> import pathlib, tempfile
        >>> file = pathlib.Path(tempfile.mkdtemp(), "train.tsv")
        >>> p = write_click_log(file, n_rows=3)
        >>> [len(line.split("\t")) for line in file.read_text().splitlines()]
        [40, 40, 40]
    """
    rng = _generator(seed, n_rows=n_rows)
    columns: dict[str, Any] = {}
    logit = np.full(n_rows, -1.0)
    for i in range(N_COUNTS):
        counts = np.floor(rng.lognormal(1.0, 1.2, n_rows))
        missing = rng.random(n_rows) < 0.4 * rng.random()
        if i < _INFORMATIVE:
            centered = np.where(missing, 0, np.log1p(counts) - 1.3)
            logit += rng.choice([-0.5, 0.5]) * centered
        columns[f"I{i + 1}"] = pd.Series(counts).astype("Int64").mask(missing)
    for i in range(N_CATEGORIES):
        size = 20 * 4 ** (i % 4)
        ids = (size * rng.random(n_rows) ** 3).astype(np.int64)  # the long tail
        names = np.array([f"{name:08x}" for name in rng.integers(0, 2**32, size)], dtype=object)
        missing = rng.random(n_rows) < 0.4 * rng.random()
        if i < _INFORMATIVE:
            logit += np.where(missing, 0, rng.normal(0, 0.8, size)[ids])
        columns[f"C{i + 1}"] = pd.Series(names[ids]).mask(missing)
    probability: Array = 1 / (1 + np.exp(-logit))
    label = (rng.random(n_rows) < probability).astype(np.int64)
    table = pd.DataFrame({"label": label, **columns})
    table.to_csv(local_path("path", path), sep="\t", header=False, index=False)
    return probability


def write_order_log(
    path: "FilePath", n_customers: int = 500, n_products: int = 200, seed: int = 0
) -> None:
    """Write a log of orders: CSV with text ids, in no order.

    Columns: customer, product, time (ISO 8601), category of the product, and price. A customer
    mostly stays in one category, and often continues with the next product of it. 3 % of the
    categories and prices are empty, and some customers order once.

    Args:
        path: The file to write.
        n_customers: Number of customers.
        n_products: Number of products.
        seed: Seed of the draws.

    Raises:
        ValueError: A number is below 1, or `seed` below 0.

    Example:
        >>> import pathlib, tempfile
        >>> file = pathlib.Path(tempfile.mkdtemp(), "orders.csv")
        >>> write_order_log(file, n_customers=2)
        >>> file.read_text().splitlines()[0]
        'customer,product,time,category,price'
    """
    rng = _generator(seed, n_customers=n_customers, n_products=n_products)
    lengths = np.minimum(rng.geometric(0.08, n_customers), 50)
    customer = np.repeat(np.arange(n_customers), lengths)
    product = _walks(rng, lengths, n_products)
    seconds = rng.integers(0, 86_400 * 30, len(customer)) + 1
    time = pd.Timestamp("2025-01-01") + pd.to_timedelta(np.cumsum(seconds) % 31_536_000, unit="s")
    orders = pd.DataFrame(
        {
            "customer": [f"C-{number:05}" for number in customer],
            "product": [f"P-{number:04}" for number in product],
            "time": _in_order_of_customers(customer, time),
            "category": np.array(_GROUPS, dtype=object)[product % len(_GROUPS)],
            "price": np.round(5 + rng.gamma(2.0, 10.0, n_products), 2)[product],
        }
    )
    for name in ("category", "price"):
        orders[name] = orders[name].mask(rng.random(len(orders)) < 0.03)
    orders.sample(frac=1, random_state=seed).to_csv(local_path("path", path), index=False)


def _generator(seed: int, **numbers: int) -> np.random.Generator:
    refuse_none(seed=seed, **numbers)
    check_whole(1, **numbers)
    check_whole(0, seed=seed)
    return np.random.default_rng(seed)


def _in_order_of_customers(customer: Ids, time: pd.DatetimeIndex) -> Array:
    """Sort the times of each customer, so that walks are in order of time."""
    order = np.lexsort((time.asi8, customer))
    return np.asarray(time[order].strftime("%Y-%m-%dT%H:%M:%S"))


def _walks(rng: np.random.Generator, lengths: Ids, n_products: int) -> Ids:
    """Return the products of all customers, one customer after the other."""
    n_groups = len(_GROUPS)
    per_group = max(1, n_products // n_groups)
    found = []
    for length in lengths:
        favorite, rank = rng.integers(n_groups), rng.integers(per_group)
        continues, strays = rng.random(length) < 0.6, rng.random(length) < 0.1
        jumps = (per_group * rng.random(length) ** 2).astype(np.int64)
        for step in range(length):
            rank = (rank + 1) % per_group if continues[step] else jumps[step]
            group = rng.integers(n_groups) if strays[step] else favorite
            found.append((rank * n_groups + group) % n_products)
    return np.array(found)
