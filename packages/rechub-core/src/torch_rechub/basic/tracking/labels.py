"""Labels of a run: its group, its parent and its tags, in the same form for all trackers."""

from collections.abc import Sequence
from typing import Any

from .plugin import in_utf8, without_secrets

GROUP, PARENT, TAGS = "run_group", "parent_run_id", "run_tags"
"""The hyper-parameters that hold the labels, in every tracker."""


def run_labels(
    owner: str,
    group: str | None = None,
    parent: str | None = None,
    tags: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Return the labels of a run as hyper-parameters; those that are not given are left out.

    Args:
        owner: The logger's class name, for messages.
        group: The runs that belong together, such as the folds of a cross-validation or the trials
            of a search.
        parent: The id of the run that this one belongs to or continues.
        tags: Any words to find the run by.

    Raises:
        TypeError: `group` or `parent` is no text, or `tags` are not a sequence of texts.
        ValueError: A tag is empty.

    Example:
        >>> run_labels("ListLogger", group="night", tags=["a", "b"])
        {'run_group': 'night', 'run_tags': ['a', 'b']}
    """
    for name, value in (("group", group), ("parent", parent)):
        if not isinstance(value, str | None):
            raise TypeError(f"{owner}: {name} must be a text, got {value!r}")
    words = [] if tags is None else tags
    if isinstance(words, str) or not all(isinstance(word, str) for word in words):
        raise TypeError(f"{owner}: tags must be a sequence of texts, such as ['a'], got {tags!r}")
    if not all(words):
        raise ValueError(f"{owner}: tags must not be empty, got {tags!r}")
    given = without_secrets(owner, {GROUP: group, PARENT: parent, TAGS: list(words)}, ids=())
    return {name: value for name, value in given.items() if value}


def accepted_tags(
    tags: Sequence[str] | None, longest: int, most: int | None = None
) -> list[str] | None:
    """Return the tags that an SDK accepts; the labels of the run have all of them.

    Args:
        tags: The tags.
        longest: The largest number of characters of a tag.
        most: The largest number of tags; None means no limit.

    Example:
        >>> accepted_tags(["night", "x" * 65, "gpu"], longest=64, most=1)
        ['night']
    """
    if tags is None:
        return None
    return [tag for tag in map(in_utf8, tags) if len(tag) <= longest][:most]
