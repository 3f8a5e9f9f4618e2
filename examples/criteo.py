"""Train DeepFM on a click log in the form of Criteo's: TSV of a label, 13 counts, 26 categories.

The first 80 % of the rows are for training, the next 10 % for validation, the last 10 % are the
test. The file is read in blocks, and the encoded rows are Parquet shards, so that the 45.8 million
rows of Criteo's `train.txt` need little memory. Without a path, the file is a synthetic log of that
form.

    python examples/criteo.py                            # a synthetic log
    python examples/criteo.py dac/train.txt --epochs 1   # https://ailab.criteo.com/ressources/
"""

import argparse
import tempfile
from pathlib import Path

from torch_rechub.data.preprocessing import Categorical, Numeric, Preprocessor
from torch_rechub.data.reading import read_blocks
from torch_rechub.data.synthetic_files import write_click_log
from torch_rechub.models.ranking import DeepFM
from torch_rechub.trainers import CTRTrainer

COUNTS = [f"I{i}" for i in range(1, 14)]
CATEGORIES = [f"C{i}" for i in range(1, 27)]
READING = {"header": ["label", *COUNTS, *CATEGORIES], "separator": "\t"}
SHARES = {"train": (0, 0.8), "val": (0.8, 0.9), "test": (0.9, 1)}


def rows_between(path, first, stop):
    """Yield the rows from `first` up to `stop` in blocks."""
    position = 0
    for block in read_blocks(path, **READING):
        start = max(first - position, 0)
        if position < stop and start < block.num_rows:
            yield block.slice(start, stop - position - start)
        position += block.num_rows


def encode(path, out, min_count):
    """Fit a preprocessor on the training rows; return it, and the encoded parts by name."""
    n = sum(block.num_rows for block in read_blocks(path, columns=["label"], **READING))
    bounds = {name: (int(a * n), int(b * n)) for name, (a, b) in SHARES.items()}
    columns = [Numeric(c, transform="log1p", clip=(0, None), scale="standard") for c in COUNTS]
    columns += [Categorical(c, min_count=min_count) for c in CATEGORIES]
    preprocessor = Preprocessor(columns, targets=["label"])
    preprocessor.fit(rows_between(path, *bounds["train"]))
    preprocessor.save(out / "preprocessor")
    parts = {
        name: preprocessor.transform(rows_between(path, *bound), out=out / "encoded" / name)
        for name, bound in bounds.items()
    }
    return preprocessor, parts


def main():
    """Encode, train, test."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", nargs="?", help="the TSV file; a synthetic log by default")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--min-count", type=int, default=None, help="2, or 10 for a real file")
    parser.add_argument("--out", type=Path, help="a new folder; a temporary one by default")
    args = parser.parse_args()
    out = args.out or Path(tempfile.mkdtemp())
    path = args.path
    if path is None:
        path = out / "train.tsv"
        out.mkdir(parents=True, exist_ok=True)
        write_click_log(path, n_rows=20_000)

    min_count = args.min_count or (10 if args.path else 2)
    preprocessor, parts = encode(path, out, min_count)
    print(preprocessor.describe().to_string())
    features = preprocessor.features(embed_dim=16)
    model = DeepFM(features, preprocessor.features(*CATEGORIES, embed_dim=16), {"dims": [64, 32]})
    trainer = CTRTrainer(
        model,
        n_epoch=args.epochs,
        earlystop_patience=1,
        metrics=("auc", "log_loss"),
        model_path=out / "model",
    )
    trainer.fit(
        parts["train"].loader(512, shuffle=True),
        parts["val"].loader(4096),
        test_dataloader=parts["test"].loader(4096),
    )
    found = trainer.test_metrics
    print(f"\nTest AUC {found['test/auc']:.4f}, log loss {found['test/log_loss']:.4f}")
    print(f"Model and preprocessor: {out}")


if __name__ == "__main__":
    main()
