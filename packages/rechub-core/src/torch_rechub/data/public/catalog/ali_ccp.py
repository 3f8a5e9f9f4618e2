r"""Ali-CCP: impressions, clicks and conversions on Taobao, in lists of features.

A list has features such as `205\x02 4356 \x03 1.0` (without the spaces), separated by `\x01`: the
number of a field, the id of a feature, and its weight.
"""

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..data_set import PublicData, open_data
from ..layout import Column, FaultError, Layout, Table, ints, texts

if TYPE_CHECKING:
    from ....types import FilePath

_FEATURE, _FIELD, _WEIGHT = "\x01", "\x02", "\x03"

# fields by name; those of several features are lists
_USER_FIELDS = {
    "101": "user_id", "121": "user_group_1", "122": "user_group_2", "124": "gender", "125": "age",
    "126": "consumption_1", "127": "consumption_2", "128": "working", "129": "geography",
}  # fmt: skip
_USER_LISTS = {
    "109_14": "seen_categories",
    "110_14": "seen_shops",
    "127_14": "seen_brands",
    "150_14": "seen_intentions",
}
_ITEM_FIELDS = {
    "205": "item_id", "206": "category_id", "207": "shop_id", "216": "brand_id", "301": "scene",
}  # fmt: skip
_ITEM_LISTS = {
    "210": "intentions",
    "508": "category_matches",
    "509": "shop_matches",
    "702": "brand_matches",
    "853": "intention_matches",
}


def _spread(fields: dict[str, str], lists: dict[str, str], frame: pd.DataFrame) -> pd.DataFrame:
    """Spread lists of features over a column for each field."""
    columns: dict[str, list[Any]] = {name: [] for name in (*fields.values(), *lists.values())}
    pairs = zip(frame["feature_num"], frame["feature_list"], strict=True)
    for row, (number, text) in enumerate(pairs):
        found: dict[str, list[int]] = {}
        features = text.split(_FEATURE) if isinstance(text, str) else []
        if len(features) != number:
            reason = f"feature_num is {number}, but feature_list has {len(features)} features"
            raise FaultError(row, f"{reason}: {str(text)[:80]!r}")
        for feature in features:
            field, id_ = _feature(feature, row)
            found.setdefault(field, []).append(id_)
        _append(columns, found, fields, lists, row)
    spread: pd.DataFrame = frame.drop(columns=["feature_num", "feature_list"])
    for name, values in columns.items():
        kind = "object" if name in lists.values() else "Int64"
        spread[name] = pd.Series(values, index=frame.index, dtype=kind)
    return spread


def _feature(feature: str, row: int) -> tuple[str, int]:
    field, _, rest = feature.partition(_FIELD)
    id_, _, weight = rest.partition(_WEIGHT)
    try:
        float(weight)
        return field, int(id_)
    except ValueError:
        raise FaultError(
            row, f"feature_list has {feature[:80]!r}, expected field, id and weight"
        ) from None


def _append(
    columns: dict[str, list[Any]],
    found: dict[str, list[int]],
    fields: dict[str, str],
    lists: dict[str, str],
    row: int,
) -> None:
    for field, name in fields.items():
        ids = found.pop(field, [])
        if len(ids) > 1:
            raise FaultError(row, f"field {field} has {len(ids)} features, expected one")
        columns[name].append(ids[0] if ids else None)
    for field, name in lists.items():
        columns[name].append(tuple(found.pop(field, ())))
    if found:
        raise FaultError(row, f"field {next(iter(found))!r} is not one of the data set's")


def _derived(names: Iterable[str], lists: bool) -> tuple[Column, ...]:
    if lists:
        return tuple(Column(name, "list", "list", derived=True) for name in names)
    return tuple(Column(name, "number", "category", derived=True) for name in names)


def _skeleton(split: str) -> Table:
    columns = (
        *ints("sample_id"),
        *ints("click", "conversion", use="target"),
        *texts("common_feature_index"),
        *ints("feature_num"),
        *texts("feature_list"),
        *_derived(_ITEM_FIELDS.values(), lists=False),
        *_derived(_ITEM_LISTS.values(), lists=True),
    )
    change = partial(_spread, _ITEM_FIELDS, _ITEM_LISTS)
    files = (f"sample_skeleton_{split}.csv",)
    return Table(files, columns, sides=(f"{split}_users",), change=change)


def _common(split: str) -> Table:
    columns = (
        *texts("common_feature_index"),
        *ints("feature_num"),
        *texts("feature_list"),
        *_derived(_USER_FIELDS.values(), lists=False),
        *_derived(_USER_LISTS.values(), lists=True),
    )
    change = partial(_spread, _USER_FIELDS, _USER_LISTS)
    files = (f"common_features_{split}.csv",)
    return Table(files, columns, key="common_feature_index", change=change)


ALI_CCP = Layout(
    "Ali-CCP",
    "https://tianchi.aliyun.com/dataset/408",
    {
        "train": _skeleton("train"),
        "test": _skeleton("test"),
        "train_users": _common("train"),
        "test_users": _common("test"),
    },
    "user_id",
    "item_id",
    label="click",
)


def ali_ccp(path: "FilePath") -> PublicData:
    r"""Open Ali-CCP: 85 million impressions, with clicks and the conversions after a click.

    Tables: "train" and "test" (`click`, `conversion`, and the item's fields), "train_users" and
    "test_users" (the fields of the user and of the user's history, which many impressions share).
    `blocks(join=True)` gives impressions with the fields of both, and holds the table of users in
    memory: that of the training set has 730,600 rows with hundreds of features each.
    Fields of one feature are ids, missing where a row lacks the field; fields of several
    are tuples of ids. Weights of features are checked to be numbers and left out.

    Terms: a Creative Commons license for non-commercial use with attribution, which its page on
    Tianchi states. https://tianchi.aliyun.com/dataset/408

    Args:
        path: `sample_train.tar.gz`, `sample_test.tar.gz`, the folder extracted from them, or one of
            their files.

    Returns:
        The tables, read when asked for.

    Raises:
        FileNotFoundError: There is no such path.
        PublicDataError: The path has no such table.

    Example:
        >>> import pathlib, tempfile
        >>> file = pathlib.Path(tempfile.mkdtemp(), "sample_skeleton_train.csv")
        >>> features = "\x01".join(["205\x0277\x031.0", "210\x028\x031.0", "210\x029\x031.0"])
        >>> _ = file.write_text(f"1,0,0,bacff91692951881,3,{features}\n")
        >>> ali_ccp(file).read()[["click", "item_id", "intentions"]].to_dict("records")
        [{'click': 0, 'item_id': 77, 'intentions': (8, 9)}]

    Reference:
        Xiao Ma et al. "Entire Space Multi-Task Model: An Effective Approach for Estimating
        Post-Click Conversion Rate". SIGIR 2018. arXiv:1804.07931
    """
    return open_data(ALI_CCP, path)
