"""One report per file of how much of it cannot be read, and from where."""

import logging
import os
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TypeVar

log = logging.getLogger("torch_rechub.runs")

AnyRecord = TypeVar("AnyRecord")


class Damage:
    """Counts the parts of a file that cannot be read; reports them when the block ends.

    Args:
        path: The file.
        part: The unit, such as "line" or "record".
        place: The position of a unit, such as "line" or "byte".

    Example:
        >>> with Damage("a.run.jsonl") as damage:
        ...     damage.count
        0
    """

    def __init__(
        self, path: str | os.PathLike[str], part: str = "line", place: str = "line"
    ) -> None:
        self.path, self.part, self.place = path, part, place
        self.count = 0
        self._first = ""

    def add(self, where: int, reason: str) -> None:
        """Count one part."""
        self._first = self._first or f"{self.place} {where} ({reason})"
        self.count += 1

    def apply(
        self, add: Callable[[AnyRecord], object], records: Iterable[tuple[int, AnyRecord]]
    ) -> None:
        """Call `add` with each record; an invalid one costs itself only.

        Args:
            add: Called with a record.
            records: The position of each record, and the record.
        """
        for at, record in records:
            try:
                add(record)
            except Exception as error:  # files may come from anyone, and SDKs have their own errors
                self.add(at, f"{type(error).__name__}: {error}")

    def __enter__(self) -> "Damage":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # for a file that cannot be read at all, the error is the report
        if self.count and (kind is None or kind is GeneratorExit):
            left_out = f"1 damaged {self.part} is left out:"
            if self.count > 1:
                left_out = f"{self.count} damaged {self.part}s are left out, the first at"
            log.warning("%s: %s %s", os.fspath(self.path), left_out, self._first)
