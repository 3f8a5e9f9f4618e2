"""The environment of a run: the distributions that are imported, with their versions."""

import platform
import sys
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from typing import Any

from ...basic.tracking.listed import listed

_LEGEND = "version distribution"


def imported_packages() -> dict[str, Any]:
    """Return the versions of Python, of the platform, and of the imported distributions.

    Example:
        >>> from torch_rechub.basic.tracking.listed import unlisted
        >>> packages = unlisted(imported_packages()["packages"])
        >>> [line.split()[1] for line in packages if line.endswith(" torch")]
        ['torch']
    """
    names = {name.partition(".")[0] for name in list(sys.modules)}
    by_module = _by_module()
    found = {name: None for module in sorted(names) for name in by_module.get(module, ())}
    versions = (f"{_version(name)} {name}" for name in sorted(found, key=str.lower))
    return {
        "python": platform.python_version(),
        "platform": _platform(),
        "packages": listed(_LEGEND, versions),
    }


@cache  # it reads the files of all installed distributions
def _by_module() -> Mapping[str, list[str]]:
    return metadata.packages_distributions()


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:  # its files are being replaced
        return "unknown"


def _platform() -> str:
    return f"{platform.system()} {platform.machine()}".strip()
