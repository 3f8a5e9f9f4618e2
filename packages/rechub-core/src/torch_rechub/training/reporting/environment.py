"""The environment of a run: the distributions that are imported, with their versions."""

import platform
import sys
from collections.abc import Mapping
from importlib import metadata
from typing import Any

_LEGEND = "version distribution"
_MOST = 150  # trackers keep the first 200 entries of a list


def imported_packages() -> dict[str, Any]:
    """Return the versions of Python, of the platform, and of the imported distributions.

    Example:
        >>> found = imported_packages()
        >>> [entry for entry in found["packages"] if entry.endswith(" torch")][0].split()[1]
        'torch'
    """
    names = {name.partition(".")[0] for name in list(sys.modules)}
    by_module = metadata.packages_distributions()
    found = {name: None for module in sorted(names) for name in by_module.get(module, ())}
    versions = {name: _version(name) for name in sorted(found, key=str.lower)}
    entries = listed(_LEGEND, versions)[1:]
    parts = [entries[i : i + _MOST] for i in range(0, len(entries), _MOST)]
    packages = {
        f"packages{f'_{i}' if i > 1 else ''}": [_LEGEND, *part] for i, part in enumerate(parts, 1)
    }
    return {"python": platform.python_version(), "platform": _platform(), **packages}


def listed(legend: str, values: Mapping[str, Any]) -> list[str]:
    """Return names with their values as a list of texts, the meaning of the words first.

    Names are no keys, because trackers redact the value of a key such as ``google-auth``.

    Example:
        >>> listed("ids input", {"user": 3, "item": 9})
        ['ids input', '3 user', '9 item']
    """
    return [legend, *(f"{value} {name}" for name, value in values.items())]


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:  # its files are being replaced
        return "unknown"


def _platform() -> str:
    return f"{platform.system()} {platform.machine()}".strip()
