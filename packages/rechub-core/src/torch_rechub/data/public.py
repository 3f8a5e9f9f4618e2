"""Public data sets: fetched on first use, checked on every load, never part of this package.

A data set is one archive in the cache folder, read where it lies. To add another: a frozen
dataclass of its frames, a `_Source` for each place it can be had from (how to fetch the archive,
how to check and read it), and one function that hands them to `_load`.
"""

import csv
import hashlib
import http.client
import importlib.util
import io
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import Generic, TypeVar

import pandas as pd

log = logging.getLogger("torch_rechub.data")

_PIP_SECONDS = 300
_SOCKET_SECONDS = 30
_LARGEST_MEMBER = 64 * 2**20

_RECBOLE = "recbole==1.2.1"
_RECBOLE_WHEEL = "recbole-1.2.1-py3-none-any.whl"
_RECBOLE_SHA256 = {
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
# "Toy Story (1995)", "Land Before Time III (1995) (V)", "unknown"
_HEADING = r"^\s*(?P<title>.*?)\s*(?:\((?P<year>\d{4})\))?\s*(?:\(V\))?\s*$"

Data = TypeVar("Data")


class DatasetUnavailableError(ConnectionError):
    """No source of a data set could be reached; the message says why and what to do."""


class _DamagedError(Exception):
    """An archive is not, byte for byte, the one that was asked for."""


@dataclass(frozen=True)
class _Source(Generic[Data]):
    """One place that an archive comes from: `fetch` writes it to a path, `read` checks it first."""

    name: str
    file_name: str
    fetch: Callable[[Path], None]
    read: Callable[[Path], Data]


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


def movielens_100k(cache_dir: str | os.PathLike[str] | None = None) -> MovieLens100K:
    """Load MovieLens-100K: 100,000 ratings that 943 users gave to 1,682 films in 1997 and 1998.

    The first of these that works is used, and its archive is kept in the cache folder: an archive
    that lies there already; the wheel of `recbole` 1.2.1, which carries the data set, downloaded
    (neither installed nor run) by pip with your own settings, so from your own mirror if you have
    one; GroupLens' own site. Checksums are compared on every load, and a damaged archive is fetched
    again. Both sources give the same tables: the release year is the one in the title, because
    only GroupLens has release dates, and the video mark "(V)" of item 1412 is left out.

    The data set is for research. Its terms: acknowledge it in publications, do not redistribute
    it, no commercial use without permission, do not imply that the University of Minnesota
    or GroupLens endorses you. Full terms: https://files.grouplens.org/datasets/movielens/

    Args:
        cache_dir: Where archives are kept. Default: `$TORCH_RECHUB_HOME`, else
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
        _Source(f"{_RECBOLE} through pip", _RECBOLE_WHEEL, _download_recbole, _read_recbole),
        _Source(_GROUPLENS_URL, "ml-100k.zip", _download_grouplens, _read_grouplens),
    )
    folder = Path(cache_dir).expanduser() if cache_dir is not None else _default_folder()
    remedy = (
        f"Either set pip's index-url to an index or mirror that you can reach, so that "
        f"`pip download --no-deps {_RECBOLE}` works; or download {_GROUPLENS_URL} "
        f"by other means and put it at {folder / 'ml-100k.zip'}"
    )
    return _load("MovieLens-100K", sources, folder, remedy)


def _default_folder() -> Path:
    home = os.environ.get("TORCH_RECHUB_HOME")
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return (Path(home) if home else Path(caches) / "torch_rechub").expanduser()


def _load(title: str, sources: Sequence[_Source[Data]], folder: Path, remedy: str) -> Data:
    failures = []
    for source in sources:
        path = folder / source.file_name
        if path.is_file():
            try:
                return source.read(path)
            except _DamagedError as error:
                log.warning("%s: %s in the cache is damaged: %s", title, path, error)
                failures.append(f"{path}: {error}")
    for source in sources:
        log.info("%s: fetching from %s into %s", title, source.name, folder)
        try:
            return _fetch(source, folder)
        except (OSError, subprocess.TimeoutExpired, http.client.HTTPException) as error:
            failures.append(f"{source.name}: {error}")
        except _DamagedError as error:
            failures.append(f"{source.name}: not what was expected, {error}")
    tried = "\n".join(f"  - {failure}" for failure in failures)
    raise DatasetUnavailableError(f"{title} could not be fetched. Tried:\n{tried}\n{remedy}.")


def _fetch(source: _Source[Data], folder: Path) -> Data:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetching-", dir=folder) as scratch:
        path = Path(scratch) / source.file_name
        source.fetch(path)
        data = source.read(path)
        os.replace(path, folder / source.file_name)
    return data


def _download_recbole(path: Path) -> None:
    # In the empty folder of the download, so that no file of the user's shadows a module of pip.
    result = subprocess.run(
        [
            *_pip(),
            "download",
            "--no-deps",
            "--only-binary=:all:",
            "--no-input",
            _RECBOLE,
            "-d",
            ".",
        ],
        cwd=path.parent,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        timeout=_PIP_SECONDS,
    )
    if result.returncode:
        complaints = [line for line in result.stderr.splitlines() if line.startswith("ERROR")]
        reason = complaints[-1] if complaints else f"pip ended with status {result.returncode}"
        raise OSError(re.sub(r"//[^/\s]*@", "//", reason))  # no password of an index in a message


def _pip() -> list[str]:
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    on_path = shutil.which("pip")
    if on_path is None:
        raise OSError(f"{sys.executable} has no pip, and there is none on PATH")
    return [on_path]


def _download_grouplens(path: Path) -> None:
    with (
        urllib.request.urlopen(_GROUPLENS_URL, timeout=_SOCKET_SECONDS) as response,
        open(path, "wb") as file,
    ):
        shutil.copyfileobj(response, file)


def _read_recbole(path: Path) -> MovieLens100K:
    names = [f"recbole/dataset_example/ml-100k/ml-100k.{kind}" for kind in _RECBOLE_SHA256]
    tables = _members(path.read_bytes(), names)
    for name, table, expected in zip(names, tables, _RECBOLE_SHA256.values(), strict=True):
        _check(name, hashlib.sha256(table).hexdigest(), expected)
    ratings, users, items = (table.partition(b"\n")[2] for table in tables)
    films = _table(items, "\t", ("item_id", "title", "year", "genres"))
    # This source spells "unknown" as "unkonwn", and takes the "(V)" of item 1412 for its year.
    heading = (films["title"] + " (" + films["year"] + ")").replace("unkonwn (unkonwn)", "unknown")
    genres = [tuple(names.split(" ")) for names in films["genres"]]
    return MovieLens100K(
        _table(ratings, "\t", _RATING_COLUMNS),
        _table(users, "\t", _USER_COLUMNS),
        _items(films["item_id"], heading, genres),
    )


def _read_grouplens(path: Path) -> MovieLens100K:
    archive = path.read_bytes()
    _check(path.name, hashlib.md5(archive, usedforsecurity=False).hexdigest(), _GROUPLENS_MD5)
    ratings, users, items = _members(archive, [f"ml-100k/u.{k}" for k in ("data", "user", "item")])
    films = _table(items, "|", ("item_id", "title", "date", "video_date", "url", *_GENRES))
    genres = [tuple(compress(_GENRES, row)) for row in films[list(_GENRES)].to_numpy() == "1"]
    return MovieLens100K(
        _table(ratings, "\t", _RATING_COLUMNS),
        _table(users, "|", _USER_COLUMNS),
        _items(films["item_id"], films["title"], genres),
    )


def _members(archive: bytes, names: Iterable[str]) -> list[bytes]:
    tables = []
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            for name in names:
                with opened.open(name) as member:
                    tables.append(member.read(_LARGEST_MEMBER))
    except Exception as error:  # what zipfile raises on damaged bytes is of half a dozen types
        raise _DamagedError(f"{type(error).__name__}: {error}") from error
    return tables


def _check(name: str, digest: str, expected: str) -> None:
    if digest != expected:
        raise _DamagedError(f"the checksum of {name} is {digest}, expected {expected}")


def _table(text: bytes, separator: str, columns: Sequence[str]) -> pd.DataFrame:
    numbers = ("user_id", "item_id", "rating", "timestamp", "age")
    return pd.read_csv(
        io.BytesIO(text),
        sep=separator,
        names=list(columns),
        dtype={column: "int64" if column in numbers else str for column in columns},
        keep_default_na=False,
        quoting=csv.QUOTE_NONE,
        encoding="utf-8" if separator == "\t" else "latin-1",
    )


def _items(
    item_id: "pd.Series[int]", heading: "pd.Series[str]", genres: list[tuple[str, ...]]
) -> pd.DataFrame:
    parts = heading.str.extract(_HEADING)
    year = pd.to_numeric(parts["year"]).astype("Int64")
    columns = {"item_id": item_id, "title": parts["title"], "release_year": year, "genres": genres}
    return pd.DataFrame(columns)
