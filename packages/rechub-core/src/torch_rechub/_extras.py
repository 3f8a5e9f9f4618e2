"""Optional dependencies, imported on use; the error names the extra to install."""

from importlib import import_module
from typing import Any


def require(module: str, what: str, extra: str) -> Any:
    """Import a library that an extra of rechub-core installs.

    Args:
        module: The library.
        what: The part that needs it, for the message.
        extra: The extra.

    Raises:
        ImportError: The library is missing; the message gives the command that installs it.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != module.split(".")[0]:
            raise  # the library is installed, but one of its own dependencies is missing
        library = module.split(".")[0]
        raise ImportError(f'{what} needs {library}: pip install "rechub-core[{extra}]"') from error
