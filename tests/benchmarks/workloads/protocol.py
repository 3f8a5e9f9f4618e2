"""One run of one peer: arguments in, one JSON line out.

A peer's script runs in an environment of its own and imports nothing of the benchmarks but this
folder. Output of its library goes to standard error; standard output holds the answer only.
"""

import argparse
import importlib
import importlib.metadata
import json
import os
import platform
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

Result = TypeVar("Result")


def parser(description: str) -> argparse.ArgumentParser:
    """The arguments that the harness gives to every peer."""
    p = argparse.ArgumentParser(description=description)
    p.add_argument("--data", type=Path, required=True, help="the workload's file")
    p.add_argument("--batch", type=int, required=True, help="rows a batch")
    p.add_argument("--epochs", type=int, default=1)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--seed", type=int, default=0, help="of the weights and of the order of rows")
    p.add_argument("--options", type=json.loads, default={}, help="JSON: arguments of the trainer")
    return p


def resolved(options: dict[str, Any]) -> dict[str, Any]:
    """Options, with the class in place of its dotted path where a name ends in `_fn`."""
    found = dict(options)
    for name, value in options.items():
        if name.endswith("_fn") and isinstance(value, str):
            module, _, attribute = value.rpartition(".")
            found[name] = getattr(importlib.import_module(module), attribute)
    return found


def start(args: argparse.Namespace) -> None:
    """Set threads and seeds, and send what libraries print to standard error."""
    sys.stdout.flush()
    args.answer_to = os.dup(1)
    os.dup2(2, 1)
    import numpy as np
    import torch

    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    np.random.seed(args.seed)  # noqa: NPY002 (libraries draw from it)
    random.seed(args.seed)
    args.scratch = tempfile.mkdtemp(prefix="rechub-bench-")
    args.start_rss_mb = memory_mb("VmRSS")


def timed(work: Callable[[], Result]) -> tuple[float, Result]:
    """The seconds that `work()` takes, and what it returns."""
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


def answer(args: argparse.Namespace, distributions: list[str], **measured: Any) -> None:
    """Write the JSON line: what was measured, peak memory, versions, threads.

    A function is called after the peak of memory was read; its result is written.
    """
    import torch

    peak = memory_mb("VmHWM")
    line = {
        **{name: value() if callable(value) else value for name, value in measured.items()},
        "start_rss_mb": args.start_rss_mb,
        "peak_rss_mb": peak,
        "threads": torch.get_num_threads(),
        "seed": args.seed,
        "options": args.options,
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in ["torch", *distributions]},
        },
    }
    sys.stdout.flush()
    os.write(args.answer_to, (json.dumps(line) + "\n").encode())


def memory_mb(field: str) -> int:
    """Resident memory of this process, now (VmRSS) or at its peak (VmHWM), in MB of 10^6 bytes.

    Read from Linux where it can be: `ru_maxrss` counts the parent's memory at the fork too, and is
    all that other systems have.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith(field + ":"):
                return round(int(line.split()[1]) * 1024 / 1e6)
    import resource  # not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak * (1 if sys.platform == "darwin" else 1024) / 1e6)
