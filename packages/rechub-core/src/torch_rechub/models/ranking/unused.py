"""Arguments of scripts for torch-rechub 0.9 that models ignore."""

import logging
from collections.abc import Mapping
from typing import Any

log = logging.getLogger("torch_rechub")


def warn_of_unused(model: object, arguments: Mapping[str, Any]) -> None:
    """Warn of arguments that have no effect."""
    if arguments:
        log.warning("%s does not use %s.", type(model).__name__, ", ".join(arguments))
