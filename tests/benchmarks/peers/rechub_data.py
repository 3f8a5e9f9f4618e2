"""Loaders, sequence builders and samplers of this repository, or of torch-rechub 0.9.

A task is timed once in a fresh process, on data made before; each is a user's one call:

- DataGenerator: one epoch of shuffled batches of 26 columns of ids, 13 of numbers and a label,
  in rows/s.
- generate_seq_feature, generate_seq_feature_match: samples of all users, in interactions/s.
- negative_sample: as many items as there are rows, in draws/s.
- pad_sequences: the histories of all users to length 50, in elements/s.
"""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from torch_rechub.utils.data import DataGenerator, generate_seq_feature, pad_sequences
from torch_rechub.utils.match import generate_seq_feature_match, negative_sample
from workloads.data import load
from workloads.protocol import answer, parser, start, timed

COLUMNS = ("user_id", "movie_id", "timestamp")
Table = Mapping[str, np.ndarray]


def batches(x: Table, batch: int) -> Callable[[], object]:
    rows = len(x["user_id"])
    table = {f"C{j}": x["movie_id"].copy() for j in range(26)}
    table |= {f"I{j}": np.linspace(0, 1, rows, dtype=np.float32) for j in range(13)}
    few = {name: column[:2] for name, column in table.items()}
    loader, _, _ = DataGenerator(table, np.ones(rows, dtype=np.float32)).generate_dataloader(
        x_val=few, y_val=np.ones(2), x_test=few, y_test=np.ones(2), batch_size=batch
    )
    return lambda: sum(1 for _ in loader)


def ranking(x: Table, batch: int) -> Callable[[], object]:
    frame = pd.DataFrame(dict(x))
    return lambda: generate_seq_feature(frame, *COLUMNS, item_attribute_cols=[])


def matching(x: Table, batch: int) -> Callable[[], object]:
    frame = pd.DataFrame(dict(x))
    return lambda: generate_seq_feature_match(
        frame, *COLUMNS, item_attribute_cols=[], sample_method=1, mode=2, neg_ratio=3, min_item=0
    )


def negatives(x: Table, batch: int) -> Callable[[], object]:
    counts = pd.Series(x["movie_id"]).value_counts().to_dict()
    return lambda: negative_sample(counts, len(x["movie_id"]), 1)


def padding(x: Table, batch: int) -> Callable[[], object]:
    order = np.argsort(x["user_id"], kind="stable")
    cuts = np.flatnonzero(np.diff(x["user_id"][order])) + 1
    histories = [h.tolist() for h in np.split(x["movie_id"][order], cuts)]
    return lambda: pad_sequences(histories, 50)


TASKS = {
    "DataGenerator": batches,
    "generate_seq_feature": ranking,
    "generate_seq_feature_match": matching,
    "negative_sample": negatives,
    "pad_sequences": padding,
}


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--distribution", required=True, help="what brings torch_rechub")
    arguments.add_argument("--task", choices=list(TASKS), required=True)
    args = arguments.parse_args()
    start(args)
    x = load(args.data)
    seconds, _ = timed(TASKS[args.task](x, args.batch))
    answer(args, [args.distribution], rows_per_s=len(x["user_id"]) / seconds)


if __name__ == "__main__":
    main()
