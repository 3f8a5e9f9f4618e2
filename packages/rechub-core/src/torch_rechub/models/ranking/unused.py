"""Arguments that scripts for torch-rechub 0.9 give to models that have no use for them."""

import logging
from collections.abc import Mapping
from typing import Any

log = logging.getLogger("torch_rechub")


def warn_of_unused(model: object, arguments: Mapping[str, Any]) -> None:
    """Say in the log which arguments have no effect, if there are any."""
    if arguments:
        log.warning("%s does not use %s.", type(model).__name__, ", ".join(arguments))
