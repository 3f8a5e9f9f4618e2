"""Amazon reviews, in the editions of 2014, 2018 and 2023."""

from typing import TYPE_CHECKING

import pandas as pd

from ..data_set import PublicData, open_data
from ..layout import Column, FaultError, Layout, Table, ints, numbers, texts

if TYPE_CHECKING:
    from ....types import FilePath

_ASIN = 10  # characters, always


def _in_order(frame: pd.DataFrame) -> pd.DataFrame:
    """Refuse ratings whose users and items are those of the other edition.

    Raises:
        FaultError: Users are items, and items are not.
    """
    users, items = (frame[name].str.len().eq(_ASIN).all() for name in ("reviewerID", "asin"))
    if users and not items:
        pair = f"{frame['reviewerID'].iloc[0]!r} and {frame['asin'].iloc[0]!r}"
        raise FaultError(0, f"{pair} are an item and a user: choose the other edition")
    return frame


_JSON = ("*.json", "*.jsonl")
_RATING = numbers("overall", use="target")
_TIME = ints("unixReviewTime", use="time")
_USER = texts("reviewerID", use="category")
_ITEM = texts("asin", use="category")
_REVIEWS = Table(
    _JSON,
    (
        *_USER,
        *_ITEM,
        *_RATING,
        *_TIME,
        *numbers("verified", optional=True),
        *texts("summary", "reviewText", optional=True),
    ),
    format="json",
)
_AMAZON_2014 = Layout(
    "Amazon reviews of 2014",
    "https://cseweb.ucsd.edu/~jmcauley/datasets/amazon/links.html",
    {
        "reviews": _REVIEWS,
        "ratings": Table(("*.csv",), (*_USER, *_ITEM, *_RATING, *_TIME), change=_in_order),
    },
    "reviewerID",
    "asin",
    "unixReviewTime",
    "overall",
)
_AMAZON_2018 = Layout(
    "Amazon reviews of 2018",
    "https://cseweb.ucsd.edu/~jmcauley/datasets/amazon_v2/",
    {
        "reviews": _REVIEWS,
        "ratings": Table(("*.csv",), (*_ITEM, *_USER, *_RATING, *_TIME), change=_in_order),
    },
    "reviewerID",
    "asin",
    "unixReviewTime",
    "overall",
)
_AMAZON_2023 = Layout(
    "Amazon reviews of 2023",
    "https://amazon-reviews-2023.github.io/",
    {
        "reviews": Table(
            _JSON,
            (
                *texts("user_id", "parent_asin", use="category"),
                *numbers("rating", use="target"),
                Column("timestamp", "int", "time"),
                *texts("asin"),
                *numbers("verified_purchase", "helpful_vote", optional=True),
                *texts("title", "text", optional=True),
            ),
            format="json",
        ),
        "ratings": Table(
            ("*.csv",),
            (
                *texts("user_id", "parent_asin", use="category"),
                *numbers("rating", use="target"),
                *ints("timestamp", use="time"),
            ),
            header=True,
        ),
    },
    "user_id",
    "parent_asin",
    "timestamp",
    "rating",
    time_unit="ms",
)
EDITIONS = {2014: _AMAZON_2014, 2018: _AMAZON_2018, 2023: _AMAZON_2023}


def amazon_reviews(path: "FilePath", edition: int = 2018) -> PublicData:
    r"""Open the reviews or the ratings of one category of Amazon.

    Tables: "reviews", from lines of JSON (`reviewerID`, `asin`, `overall`, `unixReviewTime` in
    seconds, `verified`, `summary`, `reviewText`; in 2023 `user_id`, `parent_asin`, `rating`,
    `timestamp` in milliseconds, `asin`, `verified_purchase`, `helpful_vote`, `title`, `text`), or
    "ratings", from a file of ratings alone, with the first four of these columns. Such files have
    the user first in 2014, and the item first in 2018; the wrong edition is refused. Other keys of
    the reviews are left out.

    Terms: the pages name no license for the reviews, which their writers own; the authors of the
    collection ask for a citation of their papers. See the page of the edition.

    Args:
        path: A file such as `All_Beauty_5.json.gz`, `All_Beauty.jsonl.gz` or `All_Beauty.csv`, or a
            folder or an archive with one.
        edition: 2014 (https://cseweb.ucsd.edu/~jmcauley/datasets/amazon/links.html; the 5-core
            files), 2018 (https://cseweb.ucsd.edu/~jmcauley/datasets/amazon_v2/) or 2023
            (https://amazon-reviews-2023.github.io/).

    Returns:
        The tables, read when asked for.

    Raises:
        ValueError: There is no such edition.
        FileNotFoundError: There is no such path.
        PublicDataError: The path has no such table.

    Example:
        >>> import pathlib, tempfile
        >>> file = pathlib.Path(tempfile.mkdtemp(), "All_Beauty.csv")
        >>> _ = file.write_text("0143026860,A1V6B6TNIC10QE,1.0,1424304000\n")
        >>> amazon_reviews(file, edition=2018).read("ratings").reviewerID.tolist()
        ['A1V6B6TNIC10QE']

    Reference:
        Jianmo Ni, Jiacheng Li, Julian McAuley. "Justifying Recommendations using
        Distantly-Labeled Reviews and Fine-Grained Aspects". EMNLP 2019. And Yupeng Hou et al.
        "Bridging Language and Items for Retrieval and Recommendation". 2024. arXiv:2403.03952
    """
    if edition not in EDITIONS:
        known = ", ".join(map(str, EDITIONS))
        raise ValueError(f"edition must be one of {known}, got {edition!r}")
    return open_data(EDITIONS[edition], path)
