"""A log with columns of every kind, in memory and in files; comparisons of encoded rows."""

import numpy as np
import pandas as pd

from torch_rechub.data.preprocessing import (
    Bucketized,
    Categorical,
    Crossed,
    Hashed,
    MultiCategorical,
    Numeric,
    Text,
    Timestamp,
)

COLUMNS = (
    Categorical("user", min_count=2),
    Categorical("city"),
    Hashed("city", buckets=50, name="city_hash"),
    Numeric("price", scale="standard", indicator=True),
    Numeric("price", transform="log1p", scale="robust", missing="median", name="log_price"),
    Bucketized("price", quantiles=5, name="price_bucket"),
    Timestamp("time", parts=("hour", "weekday")),
    MultiCategorical("tags", separator="|", max_length=3),
    Text("title", min_count=1),
    Crossed("city", "user", buckets=99),
)
SOURCES = ["user", "city", "price", "time", "tags", "title"]


def log_of(n, seed=0):
    generator = np.random.default_rng(seed)
    moments = pd.to_datetime(1_700_000_000 + generator.integers(0, 10**7, n), unit="s")
    frame = pd.DataFrame({
        "user": generator.zipf(1.5, n) % 40,
        "city": generator.choice(["Paris", "東京", "a, \"b\"", None], n),
        "price": np.where(generator.random(n) < 0.2, np.nan, generator.exponential(9, n).round(2)),
        "time": moments.strftime("%Y-%m-%dT%H:%M:%S"),
        "tags": generator.choice(["x|y", "y", None, "z|x|w|v"], n),
        "title": generator.choice(["The Piano", "the 钢琴", "!"], n),
        "click": generator.integers(0, 2, n),
        "weight": generator.random(n).round(3),
    })  # fmt: skip
    return frame


def write(log, folder, kind):
    path = folder / f"log.{kind}"
    {
        "csv": lambda: log.to_csv(path, index=False),
        "tsv": lambda: log.to_csv(path, index=False, sep="\t"),
        "jsonl": lambda: log.to_json(path, orient="records", lines=True, force_ascii=False),
        "parquet": lambda: log.to_parquet(path),
        "csv.gz": lambda: log.to_csv(path, index=False),
    }[kind]()
    return path


def assert_same(found, expected):
    assert list(found) == list(expected)
    for name in expected:
        assert found[name].dtype == expected[name].dtype
        assert np.array_equal(found[name], expected[name]), name
    for kind in ("y", "weights"):
        a, b = getattr(found, kind), getattr(expected, kind)
        assert (a is None and b is None) or np.array_equal(a, b)


def states(preprocessor):
    """All that was fitted, as it would be saved."""
    found = {}
    for name, encoder in preprocessor.encoders.items():
        vocabulary = getattr(encoder, "vocabulary", None)
        found[name] = [encoder.saved()[0]]
        if vocabulary is not None:
            found[name] += [
                vocabulary.values.to_pylist(),
                vocabulary.counts.tolist(),
                vocabulary.missing_id,
            ]
    return found
