"""MovieLens 1M, 20M and 25M, from the archives of GroupLens."""

from typing import TYPE_CHECKING

import pandas as pd

from ..data_set import PublicData, open_data
from ..layout import Column, Layout, Table, ints, numbers, texts
from ..ml_100k import HEADING

if TYPE_CHECKING:
    from ....types import FilePath

_NO_GENRES = "(no genres listed)"


def _with_year(movies: pd.DataFrame) -> pd.DataFrame:
    """Split "Toy Story (1995)" into title and year, as in MovieLens-100K."""
    parts = movies["title"].str.extract(HEADING)
    year = pd.to_numeric(parts["year"]).astype("Int64")
    genres = movies["genres"].map(lambda names: () if names == (_NO_GENRES,) else names)
    changed: pd.DataFrame = movies.assign(title=parts["title"], release_year=year, genres=genres)
    return changed


_GENRES = (
    Column("genres", "list", "list", form="|"),
    Column("release_year", "number", "category", derived=True),
)
_MOVIES = (*ints("movieId>item_id"), *texts("title"), *_GENRES)
_RATINGS = (
    *ints("userId>user_id", "movieId>item_id", use="category"),
    *numbers("rating", use="target"),
    *ints("timestamp", use="time"),
)

MOVIELENS_1M = Layout(
    "MovieLens 1M",
    "https://grouplens.org/datasets/movielens/1m/",
    {
        "ratings": Table(
            ("ratings.dat",),
            (*_RATINGS[:2], *ints("rating", use="target"), *_RATINGS[3:]),
            separator="::",
            sides=("users", "movies"),
        ),
        "users": Table(
            ("users.dat",),
            (
                *ints("user_id"),
                *texts("gender", use="category"),
                *ints("age", "occupation", use="category"),
                *texts("zip_code", use="category"),
            ),
            separator="::",
            key="user_id",
        ),
        "movies": Table(
            ("movies.dat",),
            _MOVIES,
            separator="::",
            encoding="latin-1",
            key="item_id",
            change=_with_year,
        ),
    },
    "user_id",
    "item_id",
    "timestamp",
    "rating",
    md5={"ml-1m.zip": "c4d9eecfca2ab87c1945afe126590906"},
)

_CSV_TABLES = {
    "ratings": Table(("ratings.csv",), _RATINGS, header=True, sides=("movies",)),
    "movies": Table(
        ("movies.csv",), _MOVIES, header=True, quoted=True, key="item_id", change=_with_year
    ),
    "tags": Table(
        ("tags.csv",),
        (*ints("userId>user_id", "movieId>item_id"), *texts("tag"), *ints("timestamp")),
        header=True,
        quoted=True,
    ),
    "links": Table(
        ("links.csv",), (*ints("movieId>item_id"), *texts("imdbId", "tmdbId")), header=True
    ),
    "genome_scores": Table(
        ("genome-scores.csv",),
        (*ints("movieId>item_id", "tagId>tag_id"), *numbers("relevance")),
        header=True,
    ),
    "genome_tags": Table(
        ("genome-tags.csv",), (*ints("tagId>tag_id"), *texts("tag")), header=True, quoted=True
    ),
}
MOVIELENS_20M = Layout(
    "MovieLens 20M",
    "https://grouplens.org/datasets/movielens/20m/",
    _CSV_TABLES,
    "user_id",
    "item_id",
    "timestamp",
    "rating",
    md5={"ml-20m.zip": "cd245b17a1ae2cc31bb14903e1204af3"},
)
MOVIELENS_25M = Layout(
    "MovieLens 25M",
    "https://grouplens.org/datasets/movielens/25m/",
    _CSV_TABLES,
    "user_id",
    "item_id",
    "timestamp",
    "rating",
    md5={"ml-25m.zip": "6b51fb2759a8657d3bfcbfc42b592ada"},
)


def movielens_1m(path: "FilePath", *, verify: bool = True) -> PublicData:
    r"""Open MovieLens 1M: a million ratings of 3,900 movies by 6,040 users, who joined in 2000.

    Tables: "ratings", "users" (`age` and `occupation` are the codes of the data set's README) and
    "movies", with the names of MovieLens-100K: the release year is taken out of the title.

    Terms: for research; acknowledge it in publications, do not redistribute it, no commercial use
    without permission, no endorsement by the University of Minnesota or GroupLens may be claimed.
    Full terms: https://files.grouplens.org/datasets/movielens/ml-1m-README.txt

    Args:
        path: `ml-1m.zip`, the folder extracted from it, or one of its files.
        verify: Whether to compare the checksum of the archive with the published one.

    Returns:
        The tables, read when asked for.

    Raises:
        FileNotFoundError: There is no such path.
        PublicDataError: The path has no such table, or not the published checksum.

    Example:
        >>> import pathlib, tempfile
        >>> file = pathlib.Path(tempfile.mkdtemp(), "ratings.dat")
        >>> _ = file.write_text("1::1193::5::978300760\n1::661::3::978302109\n")
        >>> movielens_1m(file).read().rating.tolist()
        [5, 3]

    Reference:
        F. Maxwell Harper and Joseph A. Konstan. "The MovieLens Datasets: History and Context".
        ACM Transactions on Interactive Intelligent Systems 5(4), 2015. doi:10.1145/2827872
    """
    return open_data(MOVIELENS_1M, path, verify)


def movielens_20m(path: "FilePath", *, verify: bool = True) -> PublicData:
    r"""Open MovieLens 20M: 20 million ratings of 27,000 movies by 138,000 users, 1995 to 2015.

    Tables: "ratings", "movies", "tags", "links", "genome_scores" and "genome_tags", with the names
    of MovieLens-100K; ratings go by halves. A movie without genres has an empty tuple.

    Terms: for research; acknowledge it in publications, redistribute it under the same conditions
    only, no commercial use without permission, no endorsement may be claimed. Full terms:
    https://files.grouplens.org/datasets/movielens/ml-20m-README.html

    Args:
        path: `ml-20m.zip`, the folder extracted from it, or one of its files.
        verify: Whether to compare the checksum of the archive with the published one.

    Returns:
        The tables, read when asked for.

    Raises:
        FileNotFoundError: There is no such path.
        PublicDataError: The path has no such table, or not the published checksum.

    Example:
        >>> import pathlib, tempfile
        >>> file = pathlib.Path(tempfile.mkdtemp(), "movies.csv")
        >>> _ = file.write_text('movieId,title,genres\n11,"American President, The (1995)",Drama')
        >>> movielens_20m(file).read("movies").title.tolist()
        ['American President, The']

    Reference:
        As of `movielens_1m`.
    """
    return open_data(MOVIELENS_20M, path, verify)


def movielens_25m(path: "FilePath", *, verify: bool = True) -> PublicData:
    r"""Open MovieLens 25M: 25 million ratings of 62,000 movies by 162,000 users, 1995 to 2019.

    The tables are those of `movielens_20m`.

    Terms: those of MovieLens 20M. Full terms:
    https://files.grouplens.org/datasets/movielens/ml-25m-README.html

    Args:
        path: `ml-25m.zip`, the folder extracted from it, or one of its files.
        verify: Whether to compare the checksum of the archive with the published one.

    Returns:
        The tables, read when asked for.

    Raises:
        FileNotFoundError: There is no such path.
        PublicDataError: The path has no such table, or not the published checksum.

    Example:
        >>> import pathlib, tempfile
        >>> file = pathlib.Path(tempfile.mkdtemp(), "ratings.csv")
        >>> _ = file.write_text("userId,movieId,rating,timestamp\n1,296,4.5,1147880044\n")
        >>> movielens_25m(file).read().rating.tolist()
        [4.5]

    Reference:
        As of `movielens_1m`.
    """
    return open_data(MOVIELENS_25M, path, verify)
