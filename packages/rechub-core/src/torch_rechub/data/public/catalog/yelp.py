"""The Yelp Open Dataset: reviews of businesses."""

from typing import TYPE_CHECKING

from ..data_set import PublicData, open_data
from ..layout import Column, Layout, Table, ints, numbers, texts

if TYPE_CHECKING:
    from ....types import FilePath

_MOMENT = "%Y-%m-%d %H:%M:%S"

YELP = Layout(
    "Yelp Open Dataset",
    "https://business.yelp.com/data/resources/open-dataset/",
    {
        "reviews": Table(
            ("yelp_academic_dataset_review.json",),
            (
                *texts("review_id"),
                *texts("user_id", "business_id", use="category"),
                *numbers("stars", use="target"),
                Column("date", "time", "time", form=_MOMENT),
                *ints("useful", "funny", "cool"),
                *texts("text"),
            ),
            format="json",
            sides=("users", "businesses"),
        ),
        "users": Table(
            ("yelp_academic_dataset_user.json",),
            (
                *texts("user_id", "name>user_name"),
                *numbers("review_count>user_reviews", "average_stars>user_stars"),
                *numbers("fans>user_fans", use="count"),
                Column("user_since", "time", source="yelping_since", form=_MOMENT),
            ),
            format="json",
            key="user_id",
        ),
        "businesses": Table(
            ("yelp_academic_dataset_business.json",),
            (
                *texts("business_id", "name>business_name"),
                *texts("city", "state", "postal_code", use="category"),
                *numbers("latitude", "longitude", use="number"),
                *numbers("stars>business_stars", "review_count>business_reviews", "is_open"),
                Column("categories", "list", "list", form=","),
            ),
            format="json",
            key="business_id",
        ),
    },
    "user_id",
    "business_id",
    "date",
    "stars",
)


def yelp(path: "FilePath") -> PublicData:
    """Open the Yelp Open Dataset: 7.0 million reviews of 150,000 businesses by 2.0 million users.

    Tables: "reviews" (`review_id`, `user_id`, `business_id`, `stars`, `date` as int64 seconds since
    1970, `useful`, `funny`, `cool`, `text`), "users" and "businesses" (`categories` is a tuple);
    their names, stars and numbers of reviews start with `user_` or `business_`. Stars and numbers
    of reviews count the reviews of the log itself, so recipes leave them out. Tips, check-ins,
    photos, and other keys of users and businesses are left out.

    Terms: Yelp's agreement, accepted before the download: academic and non-commercial use only, no
    redistribution. https://business.yelp.com/data/resources/open-dataset/

    Args:
        path: `yelp_dataset.tar`, the folder extracted from it, or one of its files.

    Returns:
        The tables, read when asked for.

    Raises:
        FileNotFoundError: There is no such path.
        PublicDataError: The path has no such table.

    Example:
        >>> from torch_rechub.data.public.catalog.yelp import YELP
        >>> list(YELP.tables)
        ['reviews', 'users', 'businesses']

    Reference:
        Yelp. "Yelp Open Dataset".
    """
    return open_data(YELP, path)
