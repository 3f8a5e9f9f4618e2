"""Hyper-parameters as MLflow's parameters, which never change, and as tags."""

from collections.abc import Mapping
from typing import Any

from .names import Names
from .values import LATER, REMOVED, as_text, tag_texts, text_of_tags

_LONGEST = 6_000

Path = tuple[str, ...]


def param_texts(
    names: Names, known: dict[Path, str], values: Mapping[Path, Any], given: set[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the new parameters, and the tags with later and long values.

    Args:
        names: The names of the run.
        known: Path to last text of each parameter so far; updated.
        values: Path to value of the parameters to write.
        given: The first names of these paths: their other parameters are removed.

    Example:
        >>> known = {}
        >>> names = Names("MLflowLogger")
        >>> param_texts(names, known, {("lr",): 0.1, ("mlp", "act"): "relu"}, {"lr", "mlp"})
        ({'lr': '0.1', 'mlp/act': 'relu'}, {})
        >>> param_texts(names, known, {("lr",): 0.1, ("mlp",): None}, {"lr", "mlp"})
        ({'mlp': 'null'}, {'hyperparams/mlp/act': '{"$removed": true}'})
    """
    gone = {path: REMOVED for path in known if path[0] in given and path not in values}
    new: dict[str, str] = {}
    later: dict[str, str] = {}
    for path, value in {**gone, **values}.items():
        key, text = names["hyper-parameter", path], as_text(value)
        before = known.get(path)
        if before is None and len(text) <= _LONGEST:
            new[key] = text
        elif before != text:
            later.update(tag_texts(f"{LATER}/{key}", text))
        if before is None and len(text) > _LONGEST:
            new[key] = f"{text[: _LONGEST // 2]}…"
        known[path] = text
    return new, later


def params_of(
    params: Mapping[str, str], tags: Mapping[str, str], names: Mapping[str, Mapping[str, Any]]
) -> dict[tuple[str, ...], str]:
    """The last text of each parameter that `MLflowLogger` wrote, by its path.

    Args:
        params: MLflow's parameters.
        tags: The tags of the run.
        names: The names that MLflow does not accept; see `original_names`.
    """
    paths = names.get("hyper-parameter", {})
    later = [key.removeprefix(f"{LATER}/") for key in tags if key.startswith(f"{LATER}/")]
    found: dict[tuple[str, ...], str] = {}
    for key in dict.fromkeys([*params, *later]):
        text = text_of_tags(f"{LATER}/{key}", tags)
        path = tuple(paths.get(key, key.split("/")))
        found[path] = params.get(key, "") if text is None else text
    return found
