"""Fingerprints of Parquet files, of retrieval data, and the origin of rows: split, vocabulary."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from torch.utils.data import DataLoader

from torch_rechub.basic.tracking.listed import unlisted
from torch_rechub.data.dataset import ParquetIterableDataset
from torch_rechub.data.fingerprint import fingerprint
from torch_rechub.data.interactions import Interactions
from torch_rechub.data.loader import DataGenerator
from torch_rechub.data.preprocessing import Categorical, Numeric, Preprocessor
from torch_rechub.data.streaming import StreamingLoader


def written(path, rows=1_000, group=100, **changes):
    rng = np.random.default_rng(0)
    x = {"item": rng.integers(0, 50, rows), "price": rng.random(rows), "click": np.arange(rows) % 2}
    for name, (row, value) in changes.items():
        x[name][row] = value
    pq.write_table(pa.table(x), path, row_group_size=group)
    return path


def streamed(path):
    return StreamingLoader(str(path), 10, labels="click")


def test_files_have_rows_types_sizes_and_the_digest_of_a_sample(tmp_path):
    path = written(tmp_path / "a.parquet")
    found = fingerprint(streamed(path), limit=300).record()
    assert found["rows"] == 1_000
    assert found["hashed_rows"] == 100  # 300 values of three columns, of ten row groups
    assert (found["files"]["count"], found["files"]["bytes"]) == (1, path.stat().st_size)
    assert [line.split()[1] for line in unlisted(found["columns"])] == ["int64", "double", "int64"]
    assert found["label_rate"] == 0.5


def test_the_sample_is_that_of_the_rows_read_by_hand(tmp_path):
    path = written(tmp_path / "a.parquet")
    table = pq.read_table(path)
    rows = np.concatenate([np.arange(10) + start for start in range(0, 1_000, 100)])
    x = {name: table[name].to_numpy()[rows] for name in ("item", "price")}
    by_hand = fingerprint((x, table["click"].to_numpy()[rows])).table
    sample = fingerprint(streamed(path), limit=300).table
    digests = {c.name: c.ordered for c in by_hand.columns}
    assert {c.name: c.ordered for c in sample.columns} == {
        "item": digests["item"], "price": digests["price"], "click": digests["y"]}  # fmt: skip


def test_a_value_in_the_sample_changes_it_and_one_outside_may_change_the_metadata(tmp_path):
    first, second, third = (
        fingerprint(streamed(written(tmp_path / f"{i}.parquet", **changes)), limit=300)
        for i, changes in enumerate([{}, {"price": (3, 9.5)}, {"price": (50, 9.5)}])
    )
    assert first.table.ordered != second.table.ordered
    assert first.table.ordered == third.table.ordered
    assert first.files["digest"] != third.files["digest"]  # the largest price of its row group


def test_files_of_the_data_set_of_0_9_are_read(tmp_path):
    data = ParquetIterableDataset([written(tmp_path / "a.parquet")], batch_size=10)
    assert fingerprint(DataLoader(data, batch_size=None)).rows == 1_000


@dataclass
class Retrieval:
    users: Any
    items: Any
    relevant: Any
    seen: Any = None


def test_data_of_retrieval_are_users_items_and_relevant_items():
    def digest(**changes):
        given = {"users": {"user": [1, 2]}, "items": {"item": [4, 5]}, "relevant": [[0], [0, 1]]}
        return fingerprint(Retrieval(**(given | changes))).table.ordered

    others = [
        {"users": {"user": [2, 1]}}, {"items": {"item": [4, 6]}}, {"relevant": [[0], [0]]},
        {"seen": [[1], []]},
    ]  # fmt: skip
    assert len({digest(), *(digest(**change) for change in others)}) == 5
    assert digest() == digest()


def interactions():
    log = {"user": [u for u in "abcdef" for _ in range(4)], "item": list(range(24)),
           "time": list(range(24))}  # fmt: skip
    return Interactions(log, "user", "item", "time")


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        (lambda d: d.random(seed=3), {"rule": "random", "shares": [0.8, 0.1, 0.1], "seed": 3}),
        (lambda d: d.by_user((0.5, 0.5), seed=4), {"rule": "by_user", "shares": [0.5, 0.5],
                                                   "seed": 4}),
        (lambda d: d.leave_one_out(k=1), {"rule": "in_order", "k": 1}),
        (lambda d: d.by_time([12, 20]), {"rule": "by_time", "cutoffs": ["12", "20"]}),
        (lambda d: d.k_folds(3, seed=5)[1], {"rule": "random", "folds": 3, "fold": 1, "seed": 5}),
    ],
)  # fmt: skip
def test_samples_know_the_split_and_the_vocabulary(split, expected):
    train = split(interactions()).encode().train
    loaders = [train.samples(3).loader(2), train.samples(3).sequence_loader(2)]
    for loader in loaders:
        found = fingerprint(loader)
        assert (found.split, len(found.vocabulary)) == (expected, 16)


def test_a_filtered_part_is_still_of_its_split():
    part = interactions().random(seed=3).train.k_core(user=2).encode()
    assert fingerprint(part.samples(3)).split["seed"] == 3


def fitted(cities, ages=(1, 2, 3)):
    columns = [Categorical("city"), Numeric("age", scale="standard")]
    return Preprocessor(columns, targets=["click"]).fit(raw(cities, ages))


def raw(cities, ages=(1, 2, 3)):
    return {"city": list(cities), "age": list(ages), "click": [0, 1, 1]}


def test_the_digest_of_a_preprocessor_is_that_of_vocabularies_statistics_and_settings(tmp_path):
    base = fitted("xxy")
    assert base.digest == fitted("xxy").digest
    others = [fitted("xxz"), fitted("xyy"), fitted("xxy", (1, 2, 4))]
    assert len({base.digest, *(other.digest for other in others)}) == 4
    base.save(tmp_path / "saved")
    assert Preprocessor.load(tmp_path / "saved").digest == base.digest


def test_encoded_rows_know_their_vocabulary_and_their_split():
    preprocessor = fitted("xxy")
    table = preprocessor.transform(raw("xyz"))
    for data in (table, table.loader(2), DataGenerator(table, table.y).generate_dataloader()[0]):
        assert fingerprint(data).vocabulary == preprocessor.digest
    train = table.split([0.7], seed=2)[0]
    found = fingerprint(train.loader(2))
    assert found.split == {"rule": "random", "shares": [0.7], "seed": 2}
    assert found.vocabulary == preprocessor.digest


def test_shards_know_their_vocabulary(tmp_path):
    preprocessor = fitted("xxy")
    table = preprocessor.transform(raw("xyx"), out=tmp_path / "shards")
    assert fingerprint(table.loader(2)).vocabulary == preprocessor.digest


def test_groups_that_are_split_at_random_are_a_rule_of_their_own():
    x = {"user": np.arange(20) // 4, "item": np.arange(20)}
    data = DataGenerator(x, np.arange(20) % 2)
    train = data.generate_dataloader(split_ratio=[0.5, 0.2], batch_size=4, group_column="user")[0]
    split = fingerprint(train).split
    assert (split["rule"], split["groups"]) == ("random groups", "user")


def test_equal_ids_of_other_values_have_equal_content_and_another_vocabulary():
    (a, b) = (fitted(c).transform(raw(c)) for c in ("xxy", "uuv"))
    first, second = fingerprint(a), fingerprint(b)
    assert first.table == second.table
    assert first.vocabulary != second.vocabulary
