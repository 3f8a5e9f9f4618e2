"""Embeddings of movies, which stand in for those that a language model would give.

Two parts side by side: what a movie's title, genres and year say, and who watched it. The second
is of the training part alone.
"""

import numpy as np
from histories import N_ITEMS
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize

from torch_rechub.data.public import movielens_100k

OF_VIEWERS, OF_TEXT = 48, 16  # their widths
WEIGHT_OF_TEXT = 0.5


def film_embeddings(users):
    """A row for each movie, float32; row 0, that of padding, is 0."""
    films = [films[:-2] for films, _ in users]
    parts = [of_viewers(films, OF_VIEWERS), WEIGHT_OF_TEXT * of_text(OF_TEXT)]
    return np.concatenate(parts, axis=1).astype(np.float32)


def of_text(width):
    """TF-IDF of the words of titles, genres and years, reduced by an SVD; rows of norm 1."""
    words = TfidfVectorizer(stop_words="english", sublinear_tf=True)
    found = TruncatedSVD(width, random_state=0).fit_transform(words.fit_transform(texts()))
    return np.concatenate([np.zeros((1, width)), normalize(found)])


def texts():
    """The text of each movie: "Toy Story genre_animation … genre_comedy 1995 decade_199"."""
    items = movielens_100k().items
    genres = items["genres"].map(lambda names: " ".join(f"genre_{n.lower()}" for n in names))
    year = items["release_year"].astype("string").fillna("")
    return items["title"] + " " + genres.str.replace("[-']", "", regex=True) + year.map(_when)


def _when(year):
    return f" {year} decade_{year[:3]}" if year else ""


def of_viewers(films, width):
    """Who watched a movie, each viewer by 1/√(movies watched), reduced by an SVD; rows of norm 1.

    A movie that nobody watched in training has 0.
    """
    watched = np.zeros((N_ITEMS, len(films)))
    for user, ids in enumerate(films):
        watched[ids, user] = 1 / np.sqrt(len(ids))
    return normalize(TruncatedSVD(width, random_state=0).fit_transform(watched))
