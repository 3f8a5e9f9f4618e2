"""Warnings of reading, shown on the page once instead of in the terminal at each look."""

import logging

_MOST = 100


class Problems:
    """Collects the texts of warnings; passes each on once.

    Attributes:
        texts: The distinct texts, at most 100.

    Example:
        >>> with Problems() as problems:
        ...     for _ in range(2):
        ...         logging.getLogger("torch_rechub.runs").debug("no warning")
        >>> problems.texts
        []
    """

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._seen: set[str] = set()

    def __enter__(self) -> "Problems":
        logging.getLogger("torch_rechub.runs").addFilter(self._is_new)
        return self

    def __exit__(self, *error: object) -> None:
        logging.getLogger("torch_rechub.runs").removeFilter(self._is_new)

    def _is_new(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING:
            return True
        text = record.getMessage()
        if text in self._seen or len(self._seen) >= 10 * _MOST:
            return False
        self._seen.add(text)
        if len(self.texts) < _MOST:
            self.texts.append(text)
        return True
