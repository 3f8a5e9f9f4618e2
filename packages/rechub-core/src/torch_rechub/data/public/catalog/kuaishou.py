"""KuaiRec and KuaiRand: short videos watched on Kuaishou."""

from typing import TYPE_CHECKING

from ..data_set import PublicData, open_data
from ..layout import JSON_LIST, Column, Layout, Table, ints, numbers, texts

if TYPE_CHECKING:
    from ....types import FilePath

# counts have a column of ranges too; the ranges and the encrypted columns are categories
_USERS = (
    *ints("user_id"),
    *texts(
        "user_active_degree", "is_lowactive_period", "is_live_streamer", "is_video_author",
        use="category",
    ),
    *numbers("follow_user_num", use="count"),
    *texts("follow_user_num_range", use="category"),
    *numbers("fans_user_num", use="count"),
    *texts("fans_user_num_range", use="category"),
    *numbers("friend_user_num", use="count"),
    *texts("friend_user_num_range", use="category"),
    *numbers("register_days", use="count"),
    *texts(
        "register_days_range", *(f"onehot_feat{i}" for i in range(18)), use="category"
    ),
)  # fmt: skip
_IDS = ints("user_id", "video_id", use="category")


def _watched(file: str) -> Table:
    columns = (
        *_IDS,
        *numbers("play_duration"),
        *numbers("video_duration", use="count"),
        *texts("time", "date"),
        *numbers("timestamp", use="time"),
        *numbers("watch_ratio", use="target"),
    )
    return Table((file,), columns, header=True, sides=("users", "categories"))


KUAIREC = Layout(
    "KuaiRec",
    "https://kuairec.com/",
    {
        "big": _watched("big_matrix.csv"),
        "small": _watched("small_matrix.csv"),
        "users": Table(("user_features.csv",), _USERS, header=True, quoted=True, key="user_id"),
        "categories": Table(
            ("item_categories.csv",),
            (*ints("video_id"), Column("feat", "list", "list", form=JSON_LIST)),
            header=True,
            quoted=True,
            key="video_id",
        ),
    },
    "user_id",
    "video_id",
    "timestamp",
    "watch_ratio",
    timezone="Asia/Shanghai",
)


def _log(kind: str) -> Table:
    columns = (
        *_IDS,
        *texts("date", "hourmin"),
        *ints("time_ms", use="time"),
        *ints("is_click", use="target"),
        *ints("is_like", "is_follow", "is_comment", "is_forward", "is_hate", "long_view"),
        *ints("play_time_ms", "duration_ms", "profile_stay_time", "comment_stay_time"),
        *ints("is_profile_enter", "is_rand"),
        *texts("tab", use="category"),
    )
    return Table((f"log_{kind}_*.csv",), columns, header=True, many=True, sides=("users", "videos"))


KUAIRAND = Layout(
    "KuaiRand",
    "https://kuairand.com/",
    {
        "standard": _log("standard"),
        "random": _log("random"),
        "users": Table(("user_features*.csv",), _USERS, header=True, quoted=True, key="user_id"),
        "videos": Table(
            ("video_features_basic*.csv",),
            (
                *ints("video_id"),
                *texts("author_id", "video_type", use="category"),
                *texts("upload_dt"),
                *texts("upload_type", "visible_status", use="category"),
                *numbers("video_duration", "server_width", "server_height", use="count"),
                *texts("music_id", "music_type", use="category"),
                Column("tag", "list", "list", form=","),
            ),
            header=True,
            quoted=True,
            many=True,
            key="video_id",
        ),
    },
    "user_id",
    "video_id",
    "time_ms",
    "is_click",
    time_unit="ms",
    timezone="Asia/Shanghai",
)


def kuairec(path: "FilePath") -> PublicData:
    r"""Open KuaiRec: 12.5 million views of 10,728 videos by 7,176 users, July to September 2020.

    Tables: "big" and "small" (`watch_ratio` is the play duration over the length of the video, both
    in milliseconds; `timestamp` is float64 seconds since 1970, NaN where not recorded); the small
    one has nearly every one of its users with every one of its videos. "users", and "categories"
    (`feat` is a tuple of categories). Daily features, captions and the social network are left out.

    Terms: Creative Commons Attribution-ShareAlike 4.0: use it with a citation, share changes under
    the same license. https://kuairec.com/

    Args:
        path: `KuaiRec.zip`, the folder extracted from it, or one of its files.

    Returns:
        The tables, read when asked for.

    Raises:
        FileNotFoundError: There is no such path.
        PublicDataError: The path has no such table.

    Example:
        >>> import pathlib, tempfile
        >>> file = pathlib.Path(tempfile.mkdtemp(), "item_categories.csv")
        >>> _ = file.write_text('video_id,feat\n0,[8]\n1,"[27, 9]"\n')
        >>> kuairec(file).read("categories").feat.tolist()
        [(8,), (27, 9)]

    Reference:
        Chongming Gao et al. "KuaiRec: A Fully-observed Dataset and Insights for Evaluating
        Recommender Systems". CIKM 2022. arXiv:2202.10842
    """
    return open_data(KUAIREC, path)


def kuairand(path: "FilePath") -> PublicData:
    """Open KuaiRand (27K, 1K or Pure): videos watched in April and May 2022, some shown at random.

    Tables: "standard" and "random" (twelve kinds of feedback, such as `is_click` and `long_view`;
    `time_ms` in milliseconds since 1970), from all files of their kind in order of name; "users"
    and "videos" (`tag` is a tuple). Files are read in blocks: see `PublicData.blocks`. Statistics
    of videos are left out, because they count the log itself.

    Terms: Creative Commons Attribution-ShareAlike 4.0: use it with a citation, share changes under
    the same license. https://kuairand.com/

    Args:
        path: `KuaiRand-Pure.tar.gz` or another size, the folder extracted from it, or one of its
            files.

    Returns:
        The tables, read when asked for.

    Raises:
        FileNotFoundError: There is no such path.
        PublicDataError: The path has no such table.

    Example:
        >>> from torch_rechub.data.public.catalog.kuaishou import KUAIRAND
        >>> list(KUAIRAND.tables)
        ['standard', 'random', 'users', 'videos']

    Reference:
        Chongming Gao et al. "KuaiRand: An Unbiased Sequential Recommendation Dataset with Randomly
        Exposed Videos". CIKM 2022. arXiv:2208.08696
    """
    return open_data(KUAIRAND, path)
