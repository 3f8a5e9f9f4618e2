"""FuxiCTR's feature processor: fitted on a file in the form of Criteo's, then applied by its Ray.

Numbers: missing ones to 0, standardized; FuxiCTR has no log1p. Texts: ids of values that occur at
least twice. Its pipeline writes Parquet, which is timed, as there is no way around it. The file
gets a line of names first, which is not timed.
"""

import tempfile

from fuxictr.preprocess import FeatureProcessor
from fuxictr.preprocess.build_dataset import build_dataset

from workloads.criteo import CATEGORIES, NAMES, NUMBERS
from workloads.protocol import answer, parser, start, timed


def main() -> None:
    args = parser(__doc__).parse_args()
    start(args)
    path = f"{args.scratch}/train.csv"
    with open(path, "w") as file, open(args.data) as log:
        file.write("\t".join(NAMES) + "\n")
        rows = sum(file.write(line) > 0 for line in log)
    columns = [
        {"name": NUMBERS, "active": True, "dtype": "float", "type": "numeric", "fill_na": 0,
         "normalizer": "StandardScaler"},
        {"name": CATEGORIES, "active": True, "dtype": "str", "type": "categorical", "fill_na": ""},
    ]  # fmt: skip
    label = {"name": "label", "dtype": "float"}

    def work() -> None:
        with tempfile.TemporaryDirectory(dir=args.scratch) as root:
            processor = FeatureProcessor(columns, label, dataset_id="log", data_root=root)
            build_dataset(processor, train_data=path, sep="\t", min_categr_count=2)

    seconds, _ = timed(work)
    answer(args, ["fuxictr", "polars"], rows_per_s=rows / seconds)


if __name__ == "__main__":
    main()
