"""Gowalla: check-ins of a location-based social network."""

from typing import TYPE_CHECKING

from ..data_set import PublicData, open_data
from ..layout import Column, Layout, Table, ints, numbers

if TYPE_CHECKING:
    from ....types import FilePath

GOWALLA = Layout(
    "Gowalla",
    "https://snap.stanford.edu/data/loc-Gowalla.html",
    {
        "checkins": Table(
            ("loc-gowalla_totalCheckins.txt", "Gowalla_totalCheckins.txt"),
            (
                *ints("user_id", use="category"),
                Column("time", "time", "time", form="%Y-%m-%dT%H:%M:%SZ"),
                *numbers("latitude", "longitude", use="number"),
                *ints("location_id", use="category"),
            ),
            separator="\t",
        ),
        "friends": Table(
            ("loc-gowalla_edges.txt", "Gowalla_edges.txt"),
            ints("user_id", "friend_id"),
            separator="\t",
        ),
    },
    "user_id",
    "location_id",
    "time",
)


def gowalla(path: "FilePath") -> PublicData:
    r"""Open Gowalla: 6.4 million check-ins of 107,000 users at 1.3 million places, 2009 and 2010.

    Tables: "checkins" (`user_id`, `time` as int64 seconds since 1970, `latitude` and `longitude` in
    degrees, `location_id`) and "friends" (pairs of users, each in both orders).

    Terms: the page names no license; its authors ask for a citation of their paper.
    https://snap.stanford.edu/data/loc-Gowalla.html

    Args:
        path: `loc-gowalla_totalCheckins.txt.gz`, or a folder with it and
            `loc-gowalla_edges.txt.gz`.

    Returns:
        The tables, read when asked for.

    Raises:
        FileNotFoundError: There is no such path.
        PublicDataError: The path has no such table.

    Example:
        >>> import pathlib, tempfile
        >>> file = pathlib.Path(tempfile.mkdtemp(), "loc-gowalla_totalCheckins.txt")
        >>> _ = file.write_text("0\t2010-10-19T23:55:27Z\t30.2359\t-97.7951\t22847\n")
        >>> gowalla(file).read().time.tolist()
        [1287532527]

    Reference:
        Eunjoon Cho, Seth A. Myers, Jure Leskovec. "Friendship and Mobility: User Movement in
        Location-Based Social Networks". KDD 2011.
    """
    return open_data(GOWALLA, path)
