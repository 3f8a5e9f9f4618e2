"""Public data sets: read from the archive that you have downloaded; no data are in this package.

Each function returns a `PublicData` with the tables of the archive: whole (`read`) or in blocks
(`blocks`), and with the names and types that its docstring lists. Only MovieLens-100K is downloaded
on first use, and has a class of its own.
"""

from ..archives import DatasetUnavailableError
from .catalog.ali_ccp import ali_ccp
from .catalog.amazon import amazon_reviews
from .catalog.avazu import avazu
from .catalog.census import census_income
from .catalog.criteo import criteo
from .catalog.gowalla import gowalla
from .catalog.kuaishou import kuairand, kuairec
from .catalog.movielens import movielens_1m, movielens_20m, movielens_25m
from .catalog.steam import steam
from .catalog.taobao import taobao
from .catalog.yelp import yelp
from .data_set import PublicData
from .layout import PublicDataError
from .ml_100k import MovieLens100K, movielens_100k

__all__ = [
    "DatasetUnavailableError",
    "MovieLens100K",
    "PublicData",
    "PublicDataError",
    "ali_ccp",
    "amazon_reviews",
    "avazu",
    "census_income",
    "criteo",
    "gowalla",
    "kuairand",
    "kuairec",
    "movielens_1m",
    "movielens_20m",
    "movielens_25m",
    "movielens_100k",
    "steam",
    "taobao",
    "yelp",
]
