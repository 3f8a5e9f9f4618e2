"""A script for polars, written by hand, with the result of `rechub_preprocess.py` in memory."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from workloads.criteo import CATEGORIES, NAMES, NUMBERS
from workloads.protocol import answer, parser, start, timed


def encoded(path: Path) -> dict[str, np.ndarray]:
    """The inputs and the label by column."""
    text = {f"column_{NAMES.index(name) + 1}": pl.String for name in CATEGORIES}
    log = pl.read_csv(
        path, separator="\t", has_header=False, new_columns=NAMES, schema_overrides=text
    )
    filled = (pl.col(n).clip(0) for n in NUMBERS)
    log = log.with_columns(filled)
    log = log.with_columns(pl.col(n).fill_null(pl.col(n).mean()).log1p() for n in NUMBERS)
    log = log.with_columns(
        ((pl.col(n) - pl.col(n).mean()) / pl.col(n).std(ddof=0)).cast(pl.Float32) for n in NUMBERS
    )
    found = {name: log[name].to_numpy() for name in ("label", *NUMBERS)}
    return found | dict(categories(log))


def categories(log: pl.DataFrame) -> Iterator[tuple[str, np.ndarray]]:
    """The ids of each column of texts."""
    for name in CATEGORIES:
        values = log[name].value_counts().rename({name: "value"})
        values = values.sort(["count", "value"], descending=[True, False])
        values = values.filter(pl.col("count") >= 2).with_row_index("id", offset=2)
        joined = log.select(pl.col(name).alias("value")).join(
            values, on="value", how="left", nulls_equal=True, maintain_order="left"
        )
        yield name, joined["id"].fill_null(1).cast(pl.Int32).to_numpy()


def main() -> None:
    args = parser(__doc__).parse_args()
    start(args)
    seconds, found = timed(lambda: encoded(args.data))
    answer(args, ["polars"], rows_per_s=len(found["label"]) / seconds)


if __name__ == "__main__":
    main()
