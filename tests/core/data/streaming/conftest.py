"""Shards of the streaming tests: written once."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

ROWS = 1000


def make_table(n=ROWS, seed=0):
    generator = np.random.default_rng(seed)
    lengths = generator.integers(0, 5, n)
    return pa.table(
        {
            "row": np.arange(n, dtype=np.int32),
            "price": generator.random(n, dtype=np.float32),
            "history": pa.array(
                [generator.integers(1, 99, k).tolist() for k in lengths], pa.list_(pa.int64())
            ),
            "vector": pa.array(generator.random((n, 3)).tolist(), pa.list_(pa.float32(), 3)),
            "click": generator.integers(0, 2, n).astype(np.float32),
            "weight": generator.random(n, dtype=np.float32),
        }
    )


@pytest.fixture(scope="session")
def table():
    return make_table()


@pytest.fixture(scope="session")
def files(table, tmp_path_factory):
    """Three files of 500, 1 and 499 rows, in row groups of 64."""
    folder = tmp_path_factory.mktemp("files")
    for i, (start, n) in enumerate([(0, 500), (500, 1), (501, 499)]):
        pq.write_table(table.slice(start, n), folder / f"{i}.parquet", row_group_size=64)
    return folder
