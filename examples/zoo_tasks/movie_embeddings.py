"""Embeddings of movies, in place of those of a language model.

Two parts are concatenated: text features of title, genres and year, and the viewers. The viewers
are those of the training part only.
"""

import numpy as np
from histories import N_ITEMS
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize

from torch_rechub.data.public import movielens_100k

OF_VIEWERS, OF_TEXT = 48, 16  # widths of the two parts
WEIGHT_OF_TEXT = 0.5


def movie_embeddings(users):
    """Return a row for each movie, float32; row 0, for padding, is 0."""
    movies = [movies[:-2] for movies, _ in users]
    parts = [of_viewers(movies, OF_VIEWERS), WEIGHT_OF_TEXT * of_text(OF_TEXT)]
    return np.concatenate(parts, axis=1).astype(np.float32)


def of_text(width):
    """Return TF-IDF of titles, genres and years, reduced by an SVD; rows have norm 1."""
    words = TfidfVectorizer(stop_words="english", sublinear_tf=True)
    found = TruncatedSVD(width, random_state=0).fit_transform(words.fit_transform(texts()))
    return np.concatenate([np.zeros((1, width)), normalize(found)])


def texts():
    """Return the text of each movie: "Toy Story genre_animation … genre_comedy 1995 decade_199"."""
    items = movielens_100k().items
    genres = items["genres"].map(lambda names: " ".join(f"genre_{n.lower()}" for n in names))
    year = items["release_year"].astype("string").fillna("")
    return items["title"] + " " + genres.str.replace("[-']", "", regex=True) + year.map(_when)


def _when(year):
    return f" {year} decade_{year[:3]}" if year else ""


def of_viewers(movies, width):
    """Return the viewers of movies, weighted by 1/√(movies watched), reduced by an SVD.

    Rows have norm 1; a movie without viewers in training is 0.
    """
    watched = np.zeros((N_ITEMS, len(movies)))
    for user, ids in enumerate(movies):
        watched[ids, user] = 1 / np.sqrt(len(ids))
    return normalize(TruncatedSVD(width, random_state=0).fit_transform(watched))
