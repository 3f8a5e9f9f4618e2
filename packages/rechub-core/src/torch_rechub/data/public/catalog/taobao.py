"""UserBehavior: clicks, carts, favorites and purchases on Taobao."""

from typing import TYPE_CHECKING

from ..data_set import PublicData, open_data
from ..layout import Layout, Table, ints, texts

if TYPE_CHECKING:
    from ....types import FilePath

TAOBAO = Layout(
    "Taobao UserBehavior",
    "https://tianchi.aliyun.com/dataset/649",
    {
        "behaviors": Table(
            ("UserBehavior.csv",),
            (
                *ints("user_id", "item_id", "category_id", use="category"),
                *texts("behavior", use="category"),
                *ints("timestamp", use="time"),
            ),
        )
    },
    "user_id",
    "item_id",
    "timestamp",
    timezone="Asia/Shanghai",
)


def taobao(path: "FilePath") -> PublicData:
    r"""Open UserBehavior: 100 million acts of 988,000 users on 4.2 million items in nine days.

    Its table "behaviors" has `user_id`, `item_id`, `category_id`, `behavior` ("pv", "buy", "cart"
    or "fav") and `timestamp` (seconds since 1970; some lie outside the nine days). The file is read
    in blocks: see `PublicData.blocks`.

    Terms: a Creative Commons license for non-commercial use with attribution, which its page on
    Tianchi states. https://tianchi.aliyun.com/dataset/649

    Args:
        path: `UserBehavior.csv.zip`, or `UserBehavior.csv`.

    Returns:
        The table, read when asked for.

    Raises:
        FileNotFoundError: There is no such path.
        PublicDataError: The path has no such table.

    Example:
        >>> import pathlib, tempfile
        >>> file = pathlib.Path(tempfile.mkdtemp(), "UserBehavior.csv")
        >>> _ = file.write_text("1,2268318,2520377,pv,1511544070\n")
        >>> taobao(file).read()[["item_id", "behavior"]].to_dict("records")
        [{'item_id': 2268318, 'behavior': 'pv'}]

    Reference:
        Han Zhu et al. "Learning Tree-based Deep Model for Recommender Systems". KDD 2018.
        arXiv:1801.02294
    """
    return open_data(TAOBAO, path)
