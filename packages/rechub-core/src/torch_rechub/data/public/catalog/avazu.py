"""The Avazu click log of the Kaggle challenge of 2014."""

from typing import TYPE_CHECKING

from ..data_set import PublicData, open_data
from ..layout import Column, Layout, Table, ints, texts

if TYPE_CHECKING:
    from ....types import FilePath

_INPUTS = (
    Column("hour", "time", "time", form="%y%m%d%H"),
    *texts(
        "C1", "banner_pos", "site_id", "site_domain", "site_category", "app_id", "app_domain",
        "app_category", "device_id", "device_ip", "device_model", "device_type",
        "device_conn_type", *(f"C{i}" for i in range(14, 22)), use="category",
    ),
)  # fmt: skip
AVAZU = Layout(
    "Avazu Click-Through Rate Prediction",
    "https://www.kaggle.com/c/avazu-ctr-prediction",
    {
        "train": Table(
            ("train", "train.csv"),
            (*texts("id"), *ints("click", use="target"), *_INPUTS),
            header=True,
        ),
        "test": Table(("test", "test.csv"), (*texts("id"), *_INPUTS), header=True),
    },
    time="hour",
    label="click",
)


def avazu(path: "FilePath") -> PublicData:
    """Open the Avazu log: 40.4 million ads on mobile phones within ten days, clicked or not.

    Tables: "train" (`id` and all categories are text, `click` is 0 or 1, `hour` is read from
    YYMMDDHH as int64 seconds since 1970) and "test", which has no `click`. Files are read in
    blocks: see `PublicData.blocks`.

    Terms: Kaggle's rules of the challenge, which you accept before the download; read them on
    https://www.kaggle.com/c/avazu-ctr-prediction/rules

    Args:
        path: `avazu-ctr-prediction.zip`, the folder extracted from it, or `train.gz`.

    Returns:
        The tables, read when asked for.

    Raises:
        FileNotFoundError: There is no such path.
        PublicDataError: The path has no such table.

    Example:
        >>> from torch_rechub.data.public.catalog.avazu import AVAZU
        >>> AVAZU.tables["train"].columns[2].name
        'hour'

    Reference:
        Avazu. "Click-Through Rate Prediction". Kaggle, 2014.
    """
    return open_data(AVAZU, path)
