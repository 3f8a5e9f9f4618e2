"""System load: the throughput of each epoch, and the load of processor, memory and GPU."""

import math
import time
from collections.abc import Iterator
from contextlib import suppress

import torch

from ...data.batch import Batch
from .process_usage import MEGABYTE, memory, processor_seconds


class SystemLoad:
    """Measures the load of each epoch.

    Args:
        device: The device of the model.

    Example:
        >>> load = SystemLoad(torch.device("cpu"))
        >>> load.begin()
        >>> batches = [Batch.unpacked({"user": torch.arange(4)}) for _ in range(3)]
        >>> len(list(load.measured(iter(batches)))), load.rows
        (3, 12)
        >>> sorted(load.of_epoch())[:2]
        ['system/cpu_percent', 'system/memory_mb']
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.rows, self._seconds = 0, 0.0
        self._busy: float | None = None
        self._wall = self._processor = 0.0

    def begin(self) -> None:
        """Begin with the first epoch."""
        self._wall, self._processor = time.perf_counter(), processor_seconds()

    def measured(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Iterate over the batches of an epoch, and measure its rows and its time of training."""
        self.rows, start = 0, time.perf_counter()
        for batch in batches:
            self.rows += batch.rows
            yield batch
        self._busy = self._gpu_percent()
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self._seconds = time.perf_counter() - start

    def of_epoch(self) -> dict[str, float]:
        """Return the metrics of the epoch that has ended, its validation included."""
        wall, processor = time.perf_counter(), processor_seconds()
        passed = wall - self._wall
        share = (processor - self._processor) / passed if passed > 0 else math.nan
        self._wall, self._processor = wall, processor
        found = {
            "rows_per_second": self.rows / self._seconds if self._seconds > 0 else math.nan,
            "cpu_percent": 100 * max(0.0, share),
        }
        resident = memory()
        if resident is not None:
            found["memory_mb"] = resident.now / MEGABYTE
            found["memory_peak_mb"] = resident.peak / MEGABYTE
        if self.device.type == "cuda":
            found["gpu_memory_mb"] = torch.cuda.memory_reserved(self.device) / MEGABYTE
            found["gpu_memory_peak_mb"] = torch.cuda.max_memory_reserved(self.device) / MEGABYTE
        if self._busy is not None:
            found["gpu_percent"] = self._busy
        return {f"system/{name}": value for name, value in found.items()}

    def _gpu_percent(self) -> float | None:
        """The share of time that the GPU has been busy; None without a GPU, or without NVML."""
        if self.device.type == "cuda":
            with suppress(Exception):  # the library of NVML is missing, or does not answer
                return float(torch.cuda.utilization(self.device))
        return None
