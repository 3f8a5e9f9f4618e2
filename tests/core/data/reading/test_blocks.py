"""Blocks of any kind of data: the values that were written, in blocks of the size asked for."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch

from torch_rechub.data.reading import BlockReader, columns_of, read_blocks

ROWS = {
    "user": ["007", "a,b", None, 'say "hi"', "two\nlines"],
    "age": [31, None, 4, 2**60, -5],
    "price": [0.5, 1e-7, None, 3.0, -2.25],
}


def frame() -> pd.DataFrame:
    return pd.DataFrame({**ROWS, "age": pd.array(ROWS["age"], dtype="Int64")})


def read(data, **options) -> dict:
    blocks = list(
        read_blocks(data, text_columns=["user"], number_columns=["age", "price"], **options)
    )
    return {
        name: [v for b in blocks for v in b[name].to_pylist()] for name in blocks[0].schema.names
    }


def write(folder, kind):
    """Write the rows as a file of a kind; pandas is the oracle of its form."""
    path = folder / f"rows.{kind}"
    if kind == "parquet":
        frame().to_parquet(path)
    else:
        text = frame().to_csv(index=False, sep="\t" if kind == "tsv" else ",")
        with pa.output_stream(str(path), compression="detect") as file:
            file.write(text.encode())
    return path


@pytest.mark.parametrize("rows", [1, 2, 5, 1000])
@pytest.mark.parametrize("kind", ["csv", "tsv", "csv.gz", "csv.zst", "parquet"])
def test_a_file_gives_the_rows_that_were_written(tmp_path, kind, rows):
    path = write(tmp_path, kind)
    assert read(path, block_rows=rows) == ROWS
    assert read(str(path), block_rows=rows, dictionary=True) == ROWS
    assert columns_of(path) == list(ROWS)


@pytest.mark.parametrize(
    "data",
    [
        ROWS,
        frame(),
        pl.DataFrame(ROWS),
        pa.table(ROWS),
        pa.RecordBatch.from_pydict(ROWS),
        [pa.table(ROWS)[:3], frame()[3:]],
        pa.table(ROWS).to_batches(2),
        {"user": ROWS["user"], "age": pa.array(ROWS["age"]), "price": torch.tensor(
            [np.nan if p is None else p for p in ROWS["price"]], dtype=torch.float64)},
    ],
    ids=["dict", "pandas", "polars", "arrow", "batch", "blocks", "batches", "tensors"],
)  # fmt: skip
def test_data_in_memory_give_their_rows(data):
    assert read(data, block_rows=2) == ROWS
    assert columns_of(data) == list(ROWS)


def test_blocks_have_the_size_asked_for_and_know_their_place(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("x\n" + "".join(f"{i}\n" for i in range(10)))
    blocks = list(BlockReader(path, block_rows=4, number_columns=["x"]))
    assert [block.table["x"].to_pylist() for block in blocks] == [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
        [8, 9],
    ]
    assert blocks[2].place.row(1) == f"row 9 (line 11) of {path}"


def test_a_file_without_names_gets_those_of_header(tmp_path):
    path = tmp_path / "criteo.txt"
    path.write_bytes(b"1\t\tab\n0\t7\t\n")
    found = list(
        read_blocks(path, header=["y", "n", "c"], separator="\t", number_columns=["y", "n"])
    )
    assert found[0].to_pydict() == {"y": [1, 0], "n": [None, 7], "c": ["ab", None]}
