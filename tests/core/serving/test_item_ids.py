"""Every index knows its items by ids, and changes: against a dictionary and a loop over it."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

from torch_rechub.serving import builder_factory
from warm_python import run_script

D, N, K = 6, 40, 5
KINDS = {
    "exact": ("exact", {"metric": "IP"}),
    "exact-cosine": ("exact", {"metric": "COSINE"}),
    "faiss-flat": ("faiss", {"metric": "IP"}),
    "faiss-hnsw": ("faiss", {"index_type": "HNSW", "m": 8, "efSearch": 200}),
    "faiss-ivf": ("faiss", {"index_type": "IVF", "nlists": 3, "nprobe": 3}),
    "usearch": ("usearch", {"metric": "IP", "ef": 200}),
    "usearch-l2": ("usearch", {"metric": "L2", "ef": 200}),
    "annoy": ("annoy", {"d": D, "metric": "euclidean", "searchk": 100_000, "threads": 1}),
    "milvus": ("milvus", {"d": D, "metric": "L2"}),
}
EVERY = pytest.mark.parametrize("kind", KINDS)
IN_FILES = pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "milvus"])
ONE = pytest.mark.parametrize("kind", ["faiss-flat"])


class Oracle:
    """Items in a dictionary; a query is a loop over all of them."""

    def __init__(self, vectors, ids, config):
        self.items, self.metric = dict(zip(ids, vectors, strict=True)), config.get("metric", "L2")

    def nearest(self, query, k, exclude=()):
        found = sorted(
            (self.distance(query, vector), key)
            for key, vector in self.items.items()
            if key not in set(exclude)
        )
        keys = [key for _, key in found[:k]]
        nothing = None if isinstance(next(iter(self.items), 0), str) else -1
        return keys + [nothing] * (k - len(keys))

    def distance(self, query, vector):
        query, vector = query.astype(np.float64), vector.astype(np.float64)
        if self.metric == "IP":
            return -(query @ vector)
        if self.metric == "COSINE":
            return -(query @ vector) / np.linalg.norm(query) / np.linalg.norm(vector)
        return ((query - vector) ** 2).sum()


@pytest.fixture
def numbers():
    return np.random.default_rng(0)


@pytest.fixture
def builder_of(tmp_path):
    def make(kind):
        name, config = KINDS[kind]
        uri = {"uri": str(tmp_path / "milvus.db")} if name == "milvus" else {}
        return builder_factory(name, **config, **uri)

    return make


def vectors(numbers, n):
    return numbers.standard_normal((n, D)).astype(np.float32)


def names(*numbers):
    return [f"item {number}" for number in numbers]


def agrees(index, oracle, queries, k=K, exclude=None):
    ids, distances = index.query(queries, k, exclude=exclude)
    lists = [()] * len(queries) if exclude is None else exclude
    expected = [oracle.nearest(query, k, one) for query, one in zip(queries, lists, strict=True)]
    assert ids.tolist() == expected
    assert distances.isinf().tolist() == [[i in (None, -1) for i in row] for row in expected]


@EVERY
@pytest.mark.parametrize("kinds", ["strings", "integers"])
def test_queries_return_ids(builder_of, numbers, kind, kinds):
    items, queries = vectors(numbers, N), vectors(numbers, 4)
    ids = numbers.permutation(1000)[:N]
    ids = names(*ids) if kinds == "strings" else ids
    oracle = Oracle(items, list(ids), KINDS[kind][1])
    with builder_of(kind).from_embeddings(items, ids=ids) as index:
        found = index.query(queries, K)[0]
        assert isinstance(found, np.ndarray)
        assert found.dtype == (object if kinds == "strings" else np.int64)
        agrees(index, oracle, queries)
        agrees(index, oracle, queries, N + 3)


@EVERY
def test_items_are_added_removed_and_updated(builder_of, numbers, kind):
    items, queries, new = vectors(numbers, N), vectors(numbers, 4), vectors(numbers, 8)
    ids = names(*range(N))
    oracle = Oracle(items, ids, KINDS[kind][1])
    with builder_of(kind).from_embeddings(items, ids=ids) as index:
        index.add(new[:5], names(*range(N, N + 5)))
        oracle.items |= dict(zip(names(*range(N, N + 5)), new[:5], strict=True))
        agrees(index, oracle, queries)
        index.update(new[5:], names(3, N, 9))
        oracle.items |= dict(zip(names(3, N, 9), new[5:], strict=True))
        agrees(index, oracle, queries)
        for gone in (names(3, 4), names(*range(10, 38)), names(0, 1)):  # built anew within
            index.remove(gone)
            for one in gone:
                del oracle.items[one]
            agrees(index, oracle, queries)
            agrees(index, oracle, queries, N)
        index.add(items[:1], names(0))
        oracle.items[names(0)[0]] = items[0]
        agrees(index, oracle, queries, N)
        assert len(index) == len(oracle.items)


@EVERY
def test_without_ids_items_are_numbered_on(builder_of, numbers, kind):
    items, queries, new = vectors(numbers, N), vectors(numbers, 3), vectors(numbers, 4)
    oracle = Oracle(items, range(N), KINDS[kind][1])
    with builder_of(kind).from_embeddings(items) as index:
        index.update(new[:2], [7, 8])
        index.remove([1, 2, *range(10, N)])
        index.add(new[2:])
        found = index.query(queries, K)[0]
        oracle.items |= dict(zip([7, 8, N, N + 1], new, strict=True))
        for gone in (1, 2, *range(10, N)):
            del oracle.items[gone]
        agrees(index, oracle, queries)
        assert found.dtype == torch.int64


@EVERY
def test_excluded_items_make_room_for_the_next_ones(builder_of, numbers, kind):
    items, queries = vectors(numbers, N), vectors(numbers, 4)
    ids = names(*range(N))
    oracle = Oracle(items, ids, KINDS[kind][1])
    exclude = [oracle.nearest(queries[0], 20), [], ids, ["unknown", ids[3], ids[3]]]
    with builder_of(kind).from_embeddings(items, ids=ids) as index:
        agrees(index, oracle, queries, K, exclude)
        index.remove(ids[:5])
        oracle.items = {key: vector for key, vector in oracle.items.items() if key not in ids[:5]}
        agrees(index, oracle, queries, K, exclude)
        with pytest.raises(ValueError, match="exclude holds 1 lists of ids for 4 embeddings"):
            index.query(queries, K, exclude=[[]])


READ = """
import json, sys
import numpy as np
import pandas as pd
import pyarrow as pa
from torch_rechub.serving import builder_factory
for name, config, file in json.loads(sys.argv[1]):
    with builder_factory(name, **config).from_index_file(file) as index:
        print(json.dumps(index.query(np.load(sys.argv[2]), 5)[0].tolist()))
"""


def test_a_new_process_reads_ids_and_removed_items(builder_of, numbers, tmp_path):
    items, queries = vectors(numbers, N), vectors(numbers, 4)
    np.save(tmp_path / "queries.npy", queries)
    wanted, expected = [], []
    for kind, (name, config) in KINDS.items():
        if kind == "milvus":
            continue
        file = str(tmp_path / kind)
        oracle = Oracle(items, names(*range(N)), config)
        with builder_of(kind).from_embeddings(items, ids=names(*range(N))) as index:
            index.remove(names(1, 5))
            index.update(items[:1] + 1, names(2))
            index.save(file)
        del oracle.items["item 1"], oracle.items["item 5"]
        oracle.items["item 2"] = items[0] + 1
        wanted.append((name, config, file))
        expected.append([oracle.nearest(query, 5) for query in queries])
    done = run_script(["-c", READ, json.dumps(wanted), str(tmp_path / "queries.npy")])
    assert [json.loads(line) for line in done.stdout.splitlines()] == expected, done.stderr


@IN_FILES
def test_a_loaded_index_can_be_changed_and_saved_again(builder_of, numbers, tmp_path, kind):
    items, queries = vectors(numbers, N), vectors(numbers, 4)
    oracle = Oracle(items, range(100, 100 + N), KINDS[kind][1])
    with builder_of(kind).from_embeddings(items, ids=np.arange(100, 100 + N)) as index:
        index.remove([100])
        index.save(tmp_path / "items")
    with builder_of(kind).from_index_file(tmp_path / "items") as index:
        index.add(items[:1] + 1, [7])
        index.remove([101])
        index.save(tmp_path / "items")
    del oracle.items[100], oracle.items[101]
    oracle.items[7] = items[0] + 1
    with builder_of(kind).from_index_file(tmp_path / "items") as index:
        agrees(index, oracle, queries)


@IN_FILES
def test_an_index_without_ids_replaces_one_that_has_them(builder_of, numbers, tmp_path, kind):
    items, file = vectors(numbers, N), tmp_path / "items"
    with builder_of(kind).from_embeddings(items, ids=names(*range(N))) as index:
        index.save(file)
    assert (tmp_path / "items.ids.json").exists()
    with builder_of(kind).from_embeddings(items) as index:
        index.save(file)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["items", "items.json"]
    with builder_of(kind).from_index_file(file) as index:
        assert index.query(items[:2], 1)[0].dtype == torch.int64


def edited(text):
    return text.replace("item 3", "item 0")


def cut(text):
    return text[:-5]


@ONE
@pytest.mark.parametrize("damage", [edited, cut, lambda text: "", lambda text: text + " "])
def test_damaged_ids_are_refused(builder_of, numbers, tmp_path, kind, damage):
    file = saved(builder_of, numbers, tmp_path, kind)
    named = tmp_path / "items.ids.json"
    named.write_text(damage(named.read_text()))
    with (
        pytest.raises(ValueError, match=r"items\.ids\.json is damaged"),
        builder_of(kind).from_index_file(file),
    ):
        pass


FORGED = {
    "too few": {"ids": ["a"], "numbered": False, "next": 1, "removed": []},
    "twice": {"ids": ["a"] * N, "numbered": False, "next": N, "removed": []},
    "types": {"ids": [["a"]] * N, "numbered": False, "next": N, "removed": []},
    "a bool": {"ids": [True, *range(1, N)], "numbered": False, "next": N, "removed": []},
    "huge": {"ids": [2**70, *range(1, N)], "numbered": False, "next": N, "removed": []},
    "no row": {"ids": list(range(N)), "numbered": True, "next": N, "removed": [N]},
    "below 0": {"ids": list(range(N)), "numbered": True, "next": N, "removed": [-1]},
    "a list": [1],
    "a number": 5,
    "keys": {},
    "nothing": None,
}


@ONE
@pytest.mark.parametrize("content", [*map(json.dumps, FORGED.values()), "[" * 100_000], ids=str)
def test_ids_with_a_forged_checksum_are_refused_too(builder_of, numbers, tmp_path, kind, content):
    import hashlib

    file, named = saved(builder_of, numbers, tmp_path, kind), tmp_path / "items.ids.json"
    named.write_text(content)
    record = json.loads((tmp_path / "items.json").read_text())
    digest = hashlib.sha256(content.encode()).hexdigest()
    record["ids"] = {"sha256": digest, "bytes": len(content)}
    (tmp_path / "items.json").write_text(json.dumps(record))
    with (
        pytest.raises(ValueError, match=r"items\.ids\.json is damaged .*build the index again"),
        builder_of(kind).from_index_file(file),
    ):
        pass


@ONE
def test_files_that_do_not_belong_together_are_refused(builder_of, numbers, tmp_path, kind):
    file = saved(builder_of, numbers, tmp_path, kind)
    named, checksum = tmp_path / "items.ids.json", tmp_path / "items.json"
    ids, told = named.read_text(), checksum.read_text()

    def refused(message):
        with pytest.raises(ValueError, match=message), builder_of(kind).from_index_file(file):
            pass

    named.unlink()
    refused(r"the ids of .* are missing: there is no items\.ids\.json")
    named.write_text(ids)
    checksum.unlink()
    refused(r"has ids in items\.ids\.json but no checksum in items\.json")
    record = json.loads(told)
    del record["ids"]
    checksum.write_text(json.dumps(record))
    refused(r"items\.ids\.json is not of the index in items")


def saved(builder_of, numbers, tmp_path, kind):
    with builder_of(kind).from_embeddings(vectors(numbers, N), ids=names(*range(N))) as index:
        index.save(tmp_path / "items")
    return tmp_path / "items"


@EVERY
def test_a_refused_change_leaves_the_index_as_it_was(builder_of, numbers, kind):
    items = vectors(numbers, N)
    ids = names(*range(N))
    oracle = Oracle(items, ids, KINDS[kind][1])
    with builder_of(kind).from_embeddings(items, ids=ids) as index:
        for change, error, message in (
            (lambda: index.add(items[:2], ["a", "item 1"]), ValueError, "'item 1' is in the index"),
            (lambda: index.add(items[:2], ["a", "a"]), ValueError, "id 'a' occurs twice"),
            (lambda: index.add(items[:2], ["a"]), ValueError, "1 ids for 2 embeddings"),
            (lambda: index.add(items[:2]), ValueError, "give ids="),
            (lambda: index.add(items[:2], [1, 2]), TypeError, "ids must be strings as before"),
            (lambda: index.add(items[:2, :3], ["a", "b"]), ValueError, "shape"),
            (lambda: index.remove(["item 1", "a"]), KeyError, "item 'a' is not in the index"),
            (lambda: index.update(items[:2], ["item 1", "a"]), KeyError, "'a' is not in"),
            (lambda: index.update(items[:2], ["item 1"] * 2), ValueError, "each once"),
            (lambda: index.update(items[:2], ["item 1"]), ValueError, "as many ids"),
        ):
            with pytest.raises(error, match=message):
                change()
        agrees(index, oracle, items[:4])


@ONE
@pytest.mark.parametrize(
    ("ids", "error", "message"),
    [
        (["a", "b", "a"], ValueError, "id 'a' occurs twice, at positions 0 and 2"),
        ([1, 2], ValueError, "2 ids for 3 embeddings"),
        ([1, "b", 2], TypeError, "all integers or all strings, got 'b'"),
        ([1.5, 2.5, 3.5], TypeError, r"all integers or all strings, got 1\.5"),
        ([True, False, True], TypeError, "got True"),
        ([1, -1, 2], ValueError, "at least 0 and below"),
        ("abc", TypeError, "a sequence of ids, got 'abc'"),
    ],
)
def test_ids_that_do_not_fit_are_refused(builder_of, numbers, kind, ids, error, message):
    with (
        pytest.raises(error, match=message),
        builder_of(kind).from_embeddings(vectors(numbers, 3), ids=ids),
    ):
        pass


@ONE
def test_an_index_can_become_empty(builder_of, numbers, tmp_path, kind):
    items = vectors(numbers, 3)
    with builder_of(kind).from_embeddings(items, ids=["a", "b", "c"]) as index:
        index.remove(["a", "b", "c"])
        assert index.query(items, 2)[0].tolist() == [[None, None]] * 3
        index.save(tmp_path / "items")
    with builder_of(kind).from_index_file(tmp_path / "items") as index:
        assert len(index) == 0
        index.add(items[:1], ["b"])
        assert index.query(items[:1], 2)[0].tolist() == [["b", None]]


@pytest.mark.parametrize("name", ["list", "torch", "arrow", "pandas"])
def test_ids_come_from_columns_of_every_library(numbers, name):
    forms = {"list": list, "torch": torch.tensor, "arrow": pa.array, "pandas": pd.Series}
    items = vectors(numbers, 3)
    with builder_factory("exact").from_embeddings(items, ids=forms[name]([5, 6, 7])) as index:
        assert sorted(index.query(items, 3)[0][0].tolist()) == [5, 6, 7]
