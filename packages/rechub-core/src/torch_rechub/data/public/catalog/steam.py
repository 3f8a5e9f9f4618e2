"""Steam: reviews of games, in lines of Python literals."""

from typing import TYPE_CHECKING

from ..data_set import PublicData, open_data
from ..layout import Column, Layout, Table, numbers, texts

if TYPE_CHECKING:
    from ....types import FilePath

STEAM = Layout(
    "Steam reviews",
    "https://cseweb.ucsd.edu/~jmcauley/datasets.html#steam_data",
    {
        "reviews": Table(
            ("steam_reviews.json", "steam_new.json"),
            (
                *texts("username", "product_id", use="category"),
                Column("date", "time", "time", form="%Y-%m-%d"),
                *numbers("hours", use="count", optional=True),
                *numbers("early_access", "found_funny", optional=True),
                *texts("user_id", "compensation", "text", optional=True),
            ),
            format="literal",
            sides=("games",),
        ),
        "games": Table(
            ("steam_games.json",),
            (
                *texts("id>product_id", optional=True),
                *texts("app_name", optional=True),
                Column("genres", "list", "list", optional=True),
                Column("tags", "list", "list", optional=True),
                *texts("developer", "publisher", use="category", optional=True),
                *texts("price", "release_date", optional=True),
            ),
            format="literal",
            key="product_id",
        ),
    },
    "username",
    "product_id",
    "date",
)


def steam(path: "FilePath") -> PublicData:
    """Open Steam: 7.8 million reviews of 15,000 games by 2.6 million users, 2010 to 2018.

    Tables: "reviews" (`username`, which each review has, `product_id`, `date` as int64 seconds
    since 1970, `hours` of play, `early_access`, `found_funny`, and `user_id`, `compensation`,
    `text`) and "games" (`product_id`, `app_name`, `genres`, `tags`, `developer`, `publisher`,
    `price`, `release_date`). Their lines are Python literals, which are parsed and never run.

    Terms: the page names no license; its authors ask for citations of their papers.
    https://cseweb.ucsd.edu/~jmcauley/datasets.html#steam_data

    Args:
        path: `steam_reviews.json.gz`, `steam_new.json.gz`, or a folder with it and
            `steam_games.json.gz`.

    Returns:
        The tables, read when asked for.

    Raises:
        FileNotFoundError: There is no such path.
        PublicDataError: The path has no such table.

    Example:
        >>> import pathlib, tempfile
        >>> file = pathlib.Path(tempfile.mkdtemp(), "steam_reviews.json")
        >>> line = "{u'username': u'Al', u'product_id': u'328100', u'date': u'2018-01-05'}"
        >>> _ = file.write_text(line)
        >>> steam(file).read()[["username", "date"]].to_dict("records")
        [{'username': 'Al', 'date': 1515110400}]

    Reference:
        Wang-Cheng Kang, Julian McAuley. "Self-Attentive Sequential Recommendation". ICDM 2018.
        arXiv:1808.09781
    """
    return open_data(STEAM, path)
