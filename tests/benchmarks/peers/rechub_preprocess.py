"""The preprocessor of this repository: from a file in the form of Criteo's to encoded rows.

Numbers: negative ones to 0, missing ones to the mean, log1p, standardized. Texts: ids in order of
frequency, ties by value; those that occur once are unknown. In memory, or with `--out` as shards.
"""

import tempfile

from torch_rechub.data.preprocessing import Categorical, Numeric, Preprocessor
from workloads.criteo import CATEGORIES, NAMES, NUMBERS
from workloads.protocol import answer, parser, start, timed

FILE = {"header": NAMES, "separator": "\t"}


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--out", action="store_true", help="write shards, in two passes")
    args = arguments.parse_args()
    start(args)
    preprocessor = Preprocessor(
        [
            *(Numeric(n, transform="log1p", scale="standard", clip=(0, None)) for n in NUMBERS),
            *(Categorical(name, min_count=2) for name in CATEGORIES),
        ],
        targets=["label"],
    )
    path = args.data.with_suffix(".tsv")
    if not path.exists():
        path.symlink_to(args.data)
    with tempfile.TemporaryDirectory(dir=args.scratch) as folder:
        out = f"{folder}/shards" if args.out else None
        seconds, encoded = timed(lambda: preprocessor.fit_transform(path, out, **FILE))
        rows = encoded.n_rows
    answer(args, ["rechub-core", "pyarrow"], rows_per_s=rows / seconds)


if __name__ == "__main__":
    main()
