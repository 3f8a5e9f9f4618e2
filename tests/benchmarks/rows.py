"""Times the encoding of few rows by `RowEncoder`, against `Preprocessor.transform`.

python tests/benchmarks/rows.py --values 1000000

Rows of 26 categories, whose vocabularies have `--values` texts in all, and 13 numbers; each round
encodes other rows, so that the values are not those of before. The results are compared. The answer
is one JSON line: the seconds and the bytes of making the encoder, and for each number of rows the
median microseconds per call.
"""

import argparse
import json
import statistics
import time
import tracemalloc

import numpy as np

from torch_rechub.data.preprocessing import Categorical, Numeric, Preprocessor, RowEncoder

CATEGORIES = [f"C{i}" for i in range(26)]
NUMBERS = [f"I{i}" for i in range(13)]
SIZES = (1, 16, 100, 1000)


def make_columns(n_values: int) -> dict[str, np.ndarray]:
    """Columns in which each value occurs at least once."""
    generator = np.random.default_rng(0)
    n = -(-n_values // len(CATEGORIES))
    columns = {
        name: np.array([f"{v:08x}" for v in generator.permutation(n) * 2654435761 % 2**32])
        for name in CATEGORIES
    }
    return columns | {name: generator.exponential(10, n) for name in NUMBERS}


def median(call, rows, n_rows, rounds):
    """The median microseconds of a call for `n_rows` rows, other ones each time."""
    seconds = []
    for i in range(rounds):
        part = rows[i * n_rows % (len(rows) - n_rows + 1) :][:n_rows]
        started = time.perf_counter()
        call(part)
        seconds.append(time.perf_counter() - started)
    return round(statistics.median(seconds) * 1e6, 1)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--values", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=50)
    options = parser.parse_args()
    columns = make_columns(options.values)
    declared = [Categorical(name) for name in CATEGORIES]
    declared += [Numeric(name, transform="log1p", scale="standard") for name in NUMBERS]
    preprocessor = Preprocessor(declared).fit(columns)
    started = time.perf_counter()
    encoder = RowEncoder(preprocessor)
    seconds = time.perf_counter() - started
    tracemalloc.start()
    measured = RowEncoder(preprocessor)
    n_bytes = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    del measured
    chosen = np.random.default_rng(1).integers(0, len(columns["C0"]), 20_000)
    cells = {name: values[chosen].tolist() for name, values in columns.items()}
    rows = [dict(zip(cells, row, strict=True)) for row in zip(*cells.values(), strict=True)]
    found, expected = encoder.encode(rows[:1000]), preprocessor.transform(rows[:1000])
    assert all(np.array_equal(found[name], expected[name]) for name in expected)
    results = {
        "values": sum(len(preprocessor.encoders[name].vocabulary.values) for name in CATEGORIES),
        "seconds_to_make": round(seconds, 3),
        "bytes": n_bytes,
        "microseconds": {n: median(encoder.encode, rows, n, options.rounds) for n in SIZES},
        "microseconds_of_transform": {
            n: median(preprocessor.transform, rows, n, max(3, options.rounds // 5)) for n in SIZES
        },
    }
    print(json.dumps(results))


if __name__ == "__main__":
    main()
