"""Five days of continued training on a synthetic click log, with new users and items every day.

Each day, the bundle of the day before continues on four fifths of the new rows. On the last fifth,
the old and the new model are compared; the new one is saved if it is better. At the end, `rechub
runs` shows each run with its parent.

    python examples/daily.py
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from torch_rechub.basic.tracking import JSONLLogger
from torch_rechub.bundles import compare_on, load_bundle, promote_if
from torch_rechub.cli import main as rechub
from torch_rechub.data.preprocessing import Categorical, Numeric, Preprocessor
from torch_rechub.models.ranking import DeepFM
from torch_rechub.trainers import CTRTrainer

N_NEW = 20  # items and users that are new on a day; those of five days are in use


def clicks(day, n):
    """The rows of a day: users and items have tastes of their own, whatever the day."""
    draw, tastes = np.random.default_rng(day), np.random.default_rng(99)
    last, width = (day + 5) * N_NEW, 5 * N_NEW
    quality, mood = tastes.normal(0, 1.5, (2, 100 * N_NEW))
    user, item = draw.integers(last - width, last, (2, n))
    hour = draw.integers(0, 24, n)
    logit = quality[item] + mood[user] + 0.5 * np.cos(hour / 24 * 2 * np.pi) - 0.5
    click = draw.random(n) < 1 / (1 + np.exp(-logit))
    rows = {"user": user, "item": item, "hour": hour, "click": click.astype(int)}
    return pd.DataFrame(rows)


def first_day(folder, rows, epochs):
    """Train on the first day; return the bundle."""
    columns = [Categorical("user"), Categorical("item"), Numeric("hour", scale="standard")]
    preprocessor = Preprocessor(columns, targets=["click"])
    train = preprocessor.fit_transform(rows)
    features = preprocessor.features(embed_dim=8)
    model = DeepFM(features, features[:2], {"dims": [16]})
    trainer = CTRTrainer(
        model,
        optimizer_params={"lr": 0.02},
        n_epoch=epochs,
        model_path=folder,
        model_logger=JSONLLogger(name="day 0", dir=folder / "runs"),
    )
    trainer.fit(train.loader(batch_size=128, shuffle=True))
    return trainer.save(folder / "day 0", preprocessor=preprocessor)


def main():
    """Train on the first day, and continue on four more."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--rows", type=int, default=10_000, help="rows of a day")
    options = parser.parse_args()
    torch.manual_seed(0)
    folder = Path(tempfile.mkdtemp())
    bundle = first_day(folder, clicks(0, options.rows), options.epochs)
    lines = []
    for day in range(1, 5):
        rows = clicks(day, options.rows)
        train, test = rows[: options.rows * 4 // 5], rows[options.rows * 4 // 5 :]
        logger = JSONLLogger(name=f"day {day}", dir=folder / "runs")
        continued = CTRTrainer.continue_from(
            bundle, train, model_logger=logger, model_path=folder, progress=False
        )
        continued.fit(batch_size=128)
        table = compare_on(load_bundle(bundle), continued, test)
        decision = promote_if(table, "auc", min_gain=0.001)
        if decision:
            bundle = continued.save(folder / f"day {day}")
        old, new = table["old"].add_prefix("old "), table["new"].add_prefix("new ")
        lines.append({"day": day, **old, **new, "promoted": decision.promoted})
    print(pd.DataFrame(lines).set_index("day").T.to_string(float_format="{:.4f}".format))
    print()
    rechub(["runs", str(folder / "runs")])


if __name__ == "__main__":
    main()
