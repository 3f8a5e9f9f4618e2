"""Public data sets. MovieLens-100K is downloaded on first use; no data are part of this package."""

from ..archives import DatasetUnavailableError
from .ml_100k import MovieLens100K, movielens_100k

__all__ = ["DatasetUnavailableError", "MovieLens100K", "movielens_100k"]
