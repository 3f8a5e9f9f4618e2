"""Small synthetic tables in the form of the samples that users of 0.9 train on, as CSV files."""

from pathlib import Path

import numpy as np
import pandas as pd


def write_samples(folder: Path, seed: int = 0) -> None:
    """Write criteo_sample.csv, ali_ccp_sample.csv, amazon_sample.csv and ml-1m_sample.csv."""
    random = np.random.default_rng(seed)
    for name, frame in {
        "criteo": clicks(random),
        "ali_ccp": conversions(random),
        "amazon": reviews(random),
        "ml-1m": ratings(random),
    }.items():
        frame.to_csv(folder / f"{name}_sample.csv", index=False)


def clicks(random: np.random.Generator, rows: int = 1200) -> pd.DataFrame:
    """Dense columns I1 … and categories C1 …, both with gaps; C1 and I1 decide the label."""
    frame = pd.DataFrame({f"I{i}": random.gamma(1.0, 20.0, rows).round() for i in range(1, 4)})
    codes = random.integers(0, 12, (rows, 5))
    for i in range(5):
        frame[f"C{i + 1}"] = [f"{code:08x}" for code in codes[:, i]]
    chance = 1 / (1 + np.exp(-((codes[:, 0] % 4) - 1.5) * 1.5 - (frame["I1"] - 20) / 20))
    frame.insert(0, "label", (random.random(rows) < chance).astype(int))
    for column in ("I2", "C4", "C5"):
        frame.loc[random.random(rows) < 0.1, column] = np.nan
    return frame


def conversions(random: np.random.Generator, rows: int = 1200) -> pd.DataFrame:
    """Users, items and two dense columns; a purchase is a click that went on."""
    frame = pd.DataFrame(
        {
            "101": random.integers(1, 60, rows),
            "121": random.integers(1, 9, rows),
            "205": random.integers(1, 80, rows),
            "206": random.integers(1, 7, rows),
            "D109_14": random.random(rows),
            "D508": random.random(rows),
        }
    )
    click = random.random(rows) < 0.3 + 0.5 * (frame["206"] > 3)
    purchase = click & (random.random(rows) < 0.2 + 0.6 * (frame["121"] > 4))
    return frame.assign(click=click.astype(int), purchase=purchase.astype(int))


def reviews(random: np.random.Generator, users: int = 60, each: int = 9) -> pd.DataFrame:
    """Users who only ever look at items of one category, in order of time."""
    user = np.repeat(np.arange(users), each)
    item = (user % 5) * 8 + random.integers(0, 8, len(user))
    return pd.DataFrame(
        {
            "user_id": user + 100,
            "item_id": item + 1000,
            "time": np.tile(np.arange(each), users) + 1_600_000_000,
            "cate_id": item // 8 + 10,
        }
    )


def ratings(random: np.random.Generator, users: int = 40, each: int = 9) -> pd.DataFrame:
    """Users who rate movies of one genre, with their profiles."""
    user = np.repeat(np.arange(users), each)
    genre = user % 4
    movie = np.concatenate([g * 12 + random.permutation(12)[:each] for g in genre[::each]])
    names = np.array(["Action|Crime", "Comedy", "Drama|War", "Horror"])
    return pd.DataFrame(
        {
            "user_id": user + 1,
            "movie_id": movie + 1,
            "rating": random.integers(3, 6, len(user)),
            "timestamp": 978_300_000 + np.tile(np.arange(each), users) * 60,
            "title": [f"Movie {number}" for number in movie],
            "genres": names[genre],
            "gender": np.where(user % 2, "F", "M"),
            "age": np.array([18, 25, 35])[user % 3],
            "occupation": user % 7,
            "zip": [f"{number:05d}" for number in user % 11],
        }
    )
