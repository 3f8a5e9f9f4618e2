"""Metrics of the server in Prometheus's text format."""

import os
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096)

Labels = tuple[tuple[str, str], ...]


class Histogram:
    """Counts values by upper bounds.

    Args:
        bounds: The bounds in ascending order; a value counts for the first that is not below it.

    Example:
        >>> histogram = Histogram([1, 5])
        >>> for value in (0.5, 1, 3, 9):
        ...     histogram.add(value)
        >>> histogram.counts, histogram.total
        ([2, 1, 1], 13.5)
    """

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds, self.total = bounds, 0.0
        self.counts = [0] * (len(bounds) + 1)

    def add(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def lines(self, name: str, labels: Labels = ()) -> Iterator[str]:
        """Yield the lines of the format."""
        below = 0
        for bound, count in zip([*self.bounds, "+Inf"], self.counts, strict=True):
            below += count
            yield _line(f"{name}_bucket", (*labels, ("le", f"{bound}")), below)
        yield _line(f"{name}_sum", labels, self.total)
        yield _line(f"{name}_count", labels, below)


class ServerMetrics:
    """The counts of one server process.

    Attributes:
        in_flight: Requests in progress.
    """

    def __init__(self) -> None:
        self.in_flight = 0
        self._started = time.time()
        self._requests: dict[tuple[str, int], int] = defaultdict(int)
        self._seconds: dict[str, Histogram] = defaultdict(lambda: Histogram(SECONDS))
        self._batch_requests, self._batch_rows = Histogram(ROWS), Histogram(ROWS)
        self._reloads = {"loaded": 0, "failed": 0}

    def answered(self, endpoint: str, status: int, seconds: float) -> None:
        """Count a response."""
        self._requests[endpoint, status] += 1
        self._seconds[endpoint].add(seconds)

    def computed(self, requests: int, rows: int) -> None:
        """Count a batch."""
        self._batch_requests.add(requests)
        self._batch_rows.add(rows)

    def reloaded(self, loaded: bool) -> None:
        """Count a reload."""
        self._reloads["loaded" if loaded else "failed"] += 1

    def text(self, queued: int, bundle: Mapping[str, str]) -> str:
        """Return all metrics.

        Args:
            queued: Requests that wait for a batch.
            bundle: The description of the bundle.
        """
        return "\n".join([*self._requests_lines(), *self._lines(queued, bundle), ""])

    def _requests_lines(self) -> Iterator[str]:
        name = "rechub_requests_total"
        yield from _head(name, "counter", "Responses by endpoint and status.")
        for (endpoint, status), count in sorted(self._requests.items()):
            yield _line(name, (("endpoint", endpoint), ("status", str(status))), count)
        name = "rechub_request_seconds"
        yield from _head(name, "histogram", "Time from the head of a request to its response.")
        for endpoint, histogram in sorted(self._seconds.items()):
            yield from histogram.lines(name, (("endpoint", endpoint),))

    def _lines(self, queued: int, bundle: Mapping[str, str]) -> Iterator[str]:
        batches = {"requests": self._batch_requests, "rows": self._batch_rows}
        for unit, histogram in batches.items():
            name = f"rechub_batch_{unit}"
            yield from _head(name, "histogram", f"Number of {unit} computed together.")
            yield from histogram.lines(name)
        name = "rechub_reloads_total"
        yield from _head(name, "counter", "Reloads of the bundle by result.")
        for result, count in self._reloads.items():
            yield _line(name, (("result", result),), count)
        gauges = {
            "rechub_queue_requests": ("Requests that wait for a batch.", queued),
            "rechub_in_flight_requests": ("Requests in progress.", self.in_flight),
            "process_start_time_seconds": ("Start of the process.", self._started),
            "process_resident_memory_bytes": ("Memory of the process.", _memory()),
        }
        for name, (description, value) in gauges.items():
            if value is not None:
                yield from _head(name, "gauge", description)
                yield _line(name, (), value)
        yield from _head("rechub_bundle_info", "gauge", "The bundle that is served.")
        yield _line("rechub_bundle_info", tuple(bundle.items()), 1)


def _head(name: str, kind: str, description: str) -> Iterator[str]:
    yield f"# HELP {name} {description}"
    yield f"# TYPE {name} {kind}"


def _line(name: str, labels: Labels, value: float) -> str:
    inside = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels)
    return f"{name}{{{inside}}} {value}" if inside else f"{name} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _memory() -> int | None:
    """The resident memory of the process; None where the system does not say."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None
