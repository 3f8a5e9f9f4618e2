"""MovieLens-100K as it comes from a package index, and the ways in which fetching it can go wrong.

The faults are played through with a data set made up here, in the layouts of both sources, so
that they need neither the real archives nor anything outside this machine.
"""

import functools
import hashlib
import http.server
import logging
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from pandas.testing import assert_frame_equal

from torch_rechub.data import archives as fetching
from torch_rechub.data.public import (
    DatasetUnavailableError,
    MovieLens100K,
    ml_100k,
    movielens_100k,
)

WHEEL = "recbole-1.2.1-py3-none-any.whl"
SECOND_WHEEL = "hopwise-0.9.1.post1-py3-none-any.whl"
ZIP = "ml-100k.zip"

RATINGS = "2\t3\t5\t800000002\n1\t1\t2\t800000001\n2\t1\t4\t800000002\n"
USERS = [("1", "31", "F", "none", "02134"), ("2", "7", "M", "doctor", "K1A0B1")]
# a movie's title, release date and genres of GroupLens, then title, year and genres of RecBole
MOVIES = [
    ("Kite, The (1995)", "05-Jan-1996", "Animation Comedy", "Kite, The", "1995"),
    ("unknown", "", "unknown", "unkonwn", "unkonwn"),
    ("Été à Nîmes, L' (1987) ", "01-Jan-1987", "Drama", "Été à Nîmes, L'", "1987"),
    ("Two (Deux) (1990) (V)", "01-Jan-1990", "Sci-Fi War", "Two (Deux) (1990)", "V"),
    ("None (1999)", "01-Jan-1999", "Drama", "None", "1999"),
]
GENRES = (
    "unknown Action Adventure Animation Children's Comedy Crime Documentary Drama Fantasy "
    "Film-Noir Horror Musical Mystery Romance Sci-Fi Thriller War Western"
)


def recbole_files() -> dict[str, bytes]:
    movies = [f"{i}\t{f[3]}\t{f[4]}\t{f[2]}" for i, f in enumerate(MOVIES, start=1)]
    tables = {
        "inter": "user_id:token\titem_id:token\trating:float\ttimestamp:float\n" + RATINGS,
        "user": "\n".join(["user_id:token\t…", *("\t".join(u) for u in USERS)]) + "\n",
        "item": "\n".join(["item_id:token\t…", *movies]) + "\n",
    }
    return {kind: table.encode() for kind, table in tables.items()}


def write_wheel(path: Path, package: str = "recbole", version: str = "1.2.1") -> None:
    info = f"{package}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        for kind, table in recbole_files().items():
            wheel.writestr(f"{package}/dataset_example/ml-100k/ml-100k.{kind}", table)
        wheel.writestr(f"{package}/__init__.py", "raise SystemExit('the wheel was run')")
        wheel.writestr("../outside", "a path that leaves the folder")
        name = f"Name: {package}\nVersion: {version}\n"
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\n{name}")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


def write_zip(path: Path) -> None:
    movies = []
    for i, (title, date, genres, *_) in enumerate(MOVIES, start=1):
        flags = [str(int(genre in genres.split())) for genre in GENRES.split()]
        movies.append("|".join([str(i), title, date, "", "http://example.org", *flags]))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ml-100k/u.data", RATINGS)
        archive.writestr("ml-100k/u.user", "\n".join("|".join(user) for user in USERS) + "\n")
        archive.writestr("ml-100k/u.item", ("\n".join(movies) + "\n\n").encode("latin-1"))


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Site(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; of a file in `slowly` it sends the half, then waits."""

    slowly = threading.Event()
    resume = threading.Event()

    def do_GET(self) -> None:
        body = Path(self.translate_path(self.path)).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2])
        if self.slowly.is_set():
            self.resume.wait(30)
        self.wfile.write(body[len(body) // 2 :])

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def archives(tmp_path, monkeypatch) -> Path:
    """A folder with the made-up archives, whose checksums the module now expects; no source."""
    folder = tmp_path / "archives"
    folder.mkdir()
    write_wheel(folder / WHEEL)
    write_zip(folder / ZIP)
    sha256 = {kind: hashlib.sha256(table).hexdigest() for kind, table in recbole_files().items()}
    monkeypatch.setattr(ml_100k, "_WHEEL_SHA256", {k: sha256[k] for k in ml_100k._WHEEL_SHA256})
    monkeypatch.setattr(
        ml_100k, "_GROUPLENS_MD5", hashlib.md5((folder / ZIP).read_bytes()).hexdigest()
    )
    # a call of pip that finds nothing takes most of a second: one test uses both packages
    monkeypatch.setattr(ml_100k, "_WHEELS", ml_100k._WHEELS[:1])
    close_both_sources(monkeypatch)
    return folder


def close_both_sources(monkeypatch) -> None:
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{closed_port()}/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setattr(ml_100k, "_GROUPLENS_URL", f"http://127.0.0.1:{closed_port()}/{ZIP}")


@pytest.fixture
def index(archives, monkeypatch) -> Path:
    """The source that pip reads: a folder with the wheel."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(archives))
    return archives / WHEEL


@pytest.fixture
def site(archives, monkeypatch):
    """The other source: a web site with the zip."""
    Site.slowly.clear()
    Site.resume.clear()
    handler = functools.partial(Site, directory=str(archives))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/{ZIP}"
        monkeypatch.setattr(ml_100k, "_GROUPLENS_URL", url)
        yield Site
        Site.resume.set()
        server.shutdown()


@pytest.fixture
def cache(tmp_path) -> Path:
    return tmp_path / "cache"


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def assert_same(one: MovieLens100K, other: MovieLens100K) -> None:
    assert_frame_equal(one.ratings, other.ratings)
    assert_frame_equal(one.users, other.users)
    assert_frame_equal(one.items, other.items)


# The real data set


@pytest.fixture(scope="module")
def real_cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("movielens")


@pytest.fixture(scope="module")
def real(real_cache) -> MovieLens100K:
    return movielens_100k(real_cache)


def test_it_has_the_published_counts_and_ids(real):
    assert len(real.ratings) == 100_000
    assert real.users.user_id.tolist() == list(range(1, 944))
    assert real.items.item_id.tolist() == list(range(1, 1683))
    assert set(real.ratings.user_id) == set(real.users.user_id)
    assert set(real.ratings.item_id) == set(real.items.item_id)
    assert real.ratings.groupby("user_id").size().min() == 20


def test_ratings_are_numbers_in_file_order(real):
    assert list(real.ratings.columns) == ["user_id", "item_id", "rating", "timestamp"]
    assert {str(dtype) for dtype in real.ratings.dtypes} == {"int64"}
    assert real.ratings.iloc[0].tolist() == [196, 242, 3, 881250949]
    assert real.ratings.iloc[-1].tolist() == [12, 203, 3, 879959583]
    assert not real.ratings.timestamp.is_monotonic_increasing
    assert real.ratings.rating.value_counts().to_dict() == {
        4: 34174,
        3: 27145,
        5: 21201,
        2: 11370,
        1: 6110,
    }


def test_users_are_described(real):
    assert list(real.users.columns) == ["user_id", "age", "gender", "occupation", "zip_code"]
    assert real.users.iloc[0].tolist() == [1, 24, "M", "technician", "85711"]
    assert real.users.zip_code[73] == "T8H1N"
    assert real.users.gender.value_counts().to_dict() == {"M": 670, "F": 273}
    assert real.users.occupation.nunique() == 21
    assert not real.users.isna().any().any()


def test_items_are_described(real):
    assert list(real.items.columns) == ["item_id", "title", "release_year", "genres"]
    movie = real.items.set_index("item_id")
    assert movie.loc[1].tolist() == ["Toy Story", 1995, ("Animation", "Children's", "Comedy")]
    assert movie.title[12] == "Usual Suspects, The"
    assert movie.title[1633] == "Á köldum klaka (Cold Fever)"
    assert movie.genres.map(len).min() == 1
    assert len(set().union(*movie.genres)) == 19


def test_the_odd_items_are_made_regular(real):
    movie = real.items.set_index("item_id")
    assert movie.title[267] == "unknown"
    assert movie.release_year.isna().sum() == 1
    assert np.isnan(movie.release_year.to_numpy(float, na_value=np.nan)[266])
    assert [i for i, genres in movie.genres.items() if "unknown" in genres] == [267, 1373]
    assert movie.title[1412] == "Land Before Time III: The Time of the Great Giving"
    assert movie.release_year[1412] == 1995


def test_its_recipe_encodes_ratings_with_users_and_items(real):
    encoded = real.recipe(threshold=4).fit_transform(real)
    x, y = real.clicks()
    assert encoded.y.tolist() == y.tolist()
    by_count = real.ratings.groupby("item_id").size().sort_values(ascending=False)
    first = encoded["item_id"] == 2  # the most frequent item
    assert set(real.ratings.item_id[first]) == {by_count.index[0]}
    assert first.sum() == by_count.iloc[0]
    assert (encoded["genres"] > 0).sum() == (x["genres"] > 0).sum()


def test_its_interactions_are_the_ratings(real):
    log = real.interactions(attributes=["gender", "title"])
    ratings = real.ratings.iloc[log.rows]
    assert log["rating"].tolist() == ratings.rating.tolist()
    assert log["item_id"].tolist() == ratings.item_id.tolist()
    gender = dict(zip(real.users.user_id, real.users.gender, strict=True))
    assert log["gender"].tolist() == [gender[user] for user in ratings.user_id]


def test_it_is_fetched_once(real, real_cache, monkeypatch):
    close_both_sources(monkeypatch)
    assert files_in(real_cache) == [WHEEL]
    assert_same(movielens_100k(real_cache), real)


# Two sources


def test_both_sources_give_the_same_tables(archives, tmp_path):
    for name in (WHEEL, ZIP):
        (tmp_path / name).mkdir()
        os.link(archives / name, tmp_path / name / name)
    from_wheel, from_zip = (movielens_100k(tmp_path / name) for name in (WHEEL, ZIP))
    assert_same(from_wheel, from_zip)
    titles = ["Kite, The", "unknown", "Été à Nîmes, L'", "Two (Deux)", "None"]
    assert from_zip.items.title.tolist() == titles
    assert from_zip.items.release_year.fillna(0).tolist() == [1995, 0, 1987, 1990, 1999]
    assert from_zip.items.genres[3] == ("Sci-Fi", "War")
    assert from_zip.users.occupation.tolist() == ["none", "doctor"]
    assert from_zip.users.zip_code.tolist() == ["02134", "K1A0B1"]


def test_pip_is_asked_first_and_nothing_but_the_archive_is_kept(index, site, cache, caplog):
    caplog.set_level(logging.INFO, logger="torch_rechub.data")
    assert len(movielens_100k(cache).ratings) == 3
    assert files_in(cache) == [WHEEL]
    assert caplog.messages == [
        f"MovieLens-100K: fetching from recbole==1.2.1 through pip into {cache}"
    ]


def test_a_second_package_is_asked_when_the_index_lacks_the_first(index, cache, monkeypatch):
    first = movielens_100k(cache)
    index.unlink()
    (cache / WHEEL).unlink()
    write_wheel(index.parent / SECOND_WHEEL, "hopwise", "0.9.1.post1")
    monkeypatch.setattr(ml_100k, "_WHEELS", (*ml_100k._WHEELS, ("hopwise", "0.9.1.post1")))
    assert_same(movielens_100k(cache), first)
    assert files_in(cache) == [SECOND_WHEEL]


def test_grouplens_is_asked_when_pip_finds_nothing(site, cache):
    assert len(movielens_100k(cache).users) == 2
    assert files_in(cache) == [ZIP]


def test_grouplens_is_asked_when_the_index_does_not_answer(site, cache, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{port}/simple")
        monkeypatch.setattr(fetching, "_PIP_SECONDS", 1.5)
        start = time.monotonic()
        movielens_100k(cache)
    assert time.monotonic() - start < 10
    assert files_in(cache) == [ZIP]


def test_a_zip_that_the_user_put_into_the_cache_is_used(archives, cache):
    cache.mkdir()
    os.link(archives / ZIP, cache / ZIP)
    assert len(movielens_100k(cache).items) == 5


def test_an_interpreter_without_pip_uses_the_pip_on_path(index, cache, tmp_path, monkeypatch):
    tool = tmp_path / "bin" / "pip"
    tool.parent.mkdir()
    tool.write_text(f"#!/bin/sh\nexec '{sys.executable}' -m pip \"$@\"\n")
    tool.chmod(0o755)
    monkeypatch.setattr(fetching.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tool.parent), prepend=os.pathsep)
    movielens_100k(cache)
    assert files_in(cache) == [WHEEL]

    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DatasetUnavailableError, match="has no pip, and there is none on PATH"):
        movielens_100k(tmp_path / "empty")


# Faults


def test_without_a_source_the_error_names_both_the_reasons_and_the_remedy(archives, cache):
    start = time.monotonic()
    with pytest.raises(DatasetUnavailableError) as caught:
        movielens_100k(cache)
    assert time.monotonic() - start < 20
    message = str(caught.value)
    assert "recbole==1.2.1 through pip: ERROR: No matching distribution" in message
    assert f"{ml_100k._GROUPLENS_URL}: <urlopen error" in message
    assert "pip's index-url" in message
    assert str(cache / ZIP) in message
    assert isinstance(caught.value, ConnectionError)
    assert files_in(cache) == []


def test_no_password_of_an_index_gets_into_the_error(archives, cache, monkeypatch, caplog):
    monkeypatch.setenv("PIP_INDEX_URL", f"http://me:hunter2@127.0.0.1:{closed_port()}/simple")
    script = "raise SystemExit('ERROR: http://me:hunter2/@example.org/simple is closed')"
    monkeypatch.setattr(fetching, "_pip", lambda: [sys.executable, "-c", script])
    with pytest.raises(DatasetUnavailableError, match=r"//<redacted>@example\.org/simple is") as it:
        movielens_100k(cache)
    assert "hunter2" not in str(it.value) + caplog.text


@pytest.mark.parametrize("harm", ["cut", "flip", "empty", "wrong"])
def test_a_damaged_archive_in_the_cache_is_mended(index, cache, caplog, harm):
    good = movielens_100k(cache)
    whole = (cache / WHEEL).read_bytes()
    place = whole.index(b"800000001")
    (cache / WHEEL).write_bytes(
        {
            "cut": whole[: len(whole) // 2],
            "flip": whole[:place] + b"9" + whole[place + 1 :],
            "empty": b"",
            "wrong": (index.parent / ZIP).read_bytes(),
        }[harm]
    )
    assert_same(movielens_100k(cache), good)
    assert f"{cache / WHEEL} in the cache is damaged" in caplog.text
    assert (cache / WHEEL).read_bytes() == whole


def test_other_ratings_in_a_sound_archive_are_refused(index, cache, monkeypatch):
    changed = ml_100k._WHEEL_SHA256 | {"inter": hashlib.sha256(b"others").hexdigest()}
    monkeypatch.setattr(ml_100k, "_WHEEL_SHA256", changed)
    with pytest.raises(DatasetUnavailableError, match=r"checksum of recbole/.*ml-100k\.inter is"):
        movielens_100k(cache)
    assert files_in(cache) == []


def test_a_damaged_zip_of_the_users_is_named_when_there_is_no_source(archives, cache):
    cache.mkdir()
    (cache / ZIP).write_bytes((archives / ZIP).read_bytes()[:-1])
    with pytest.raises(DatasetUnavailableError, match=rf"{cache / ZIP}: the checksum of {ZIP} is"):
        movielens_100k(cache)
    assert files_in(cache) == [ZIP]


def test_a_site_that_serves_something_else_leaves_nothing_behind(site, archives, cache):
    (archives / ZIP).write_bytes(b"<html>please log in</html>")
    with pytest.raises(DatasetUnavailableError, match="not what was expected, the checksum of"):
        movielens_100k(cache)
    assert files_in(cache) == []


@pytest.mark.slow
def test_a_process_killed_while_fetching_leaves_no_half_archive(site, cache):
    site.slowly.set()
    child = subprocess.Popen([sys.executable, "-c", child_script(cache)])
    try:
        wait_until(lambda: any(cache.glob(f"*/{ZIP}")))
        os.kill(child.pid, signal.SIGKILL)
    finally:
        child.kill()
        child.wait()
    assert not (cache / ZIP).exists()
    site.slowly.clear()
    assert len(movielens_100k(cache).ratings) == 3


def child_script(cache: Path) -> str:
    return textwrap.dedent(f"""
        from torch_rechub.data.public import ml_100k
        ml_100k._GROUPLENS_URL = {ml_100k._GROUPLENS_URL!r}
        ml_100k._GROUPLENS_MD5 = {ml_100k._GROUPLENS_MD5!r}
        ml_100k.movielens_100k({str(cache)!r})
    """)


def wait_until(holds) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_several_that_fetch_at_once_all_get_the_whole_data_set(site, cache, monkeypatch):
    monkeypatch.setattr(ml_100k, "_download_wheel", closed)
    site.slowly.set()
    with ThreadPoolExecutor(4) as pool:
        loads = [pool.submit(movielens_100k, cache) for _ in range(4)]
        wait_until(lambda: len(list(cache.glob(f"*/{ZIP}"))) == 4)
        site.resume.set()
        first, *others = [load.result() for load in loads]
    for other in others:
        assert_same(first, other)
    assert files_in(cache) == [ZIP]


def closed(requirement: str, path: Path) -> None:
    raise OSError("closed")


# Where the cache is


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"TORCH_RECHUB_HOME": "/a", "XDG_CACHE_HOME": "/b"}, Path("/a")),
        ({"XDG_CACHE_HOME": "/b"}, Path("/b/torch_rechub")),
        ({"TORCH_RECHUB_HOME": "~/a"}, Path.home() / "a"),
        ({"TORCH_RECHUB_HOME": ""}, Path.home() / ".cache/torch_rechub"),
        ({}, Path.home() / ".cache/torch_rechub"),
    ],
)
def test_the_cache_is_where_the_environment_says(settings, expected, monkeypatch):
    for name in ("TORCH_RECHUB_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert fetching.cache_folder() == expected


def test_without_cache_dir_the_default_folder_is_used(index, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_RECHUB_HOME", str(tmp_path / "home"))
    movielens_100k()
    assert files_in(tmp_path / "home") == [WHEEL]
