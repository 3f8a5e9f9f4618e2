"""The processor time and the memory of this process, from the standard library alone."""

import os
import sys
from collections import defaultdict
from contextlib import suppress
from typing import NamedTuple

MEGABYTE = 2**20


class Memory(NamedTuple):
    """The resident memory of a process, in bytes.

    Attributes:
        now: The memory now.
        peak: The largest so far.
    """

    now: int
    peak: int


def processor_seconds() -> float:
    """Return the processor time of this process and its children so far, in seconds.

    The times of living children, such as the workers of a loader, are read on Linux; elsewhere they
    count once they have ended.

    Example:
        >>> before = processor_seconds()
        >>> processor_seconds() >= before
        True
    """
    times = os.times()
    own = times.user + times.system + times.children_user + times.children_system
    return own + _of_descendants(os.getpid())


def memory() -> Memory | None:
    """Return the resident memory of this process; None where the system does not offer it.

    Example:
        >>> found = memory()
        >>> found is None or 0 < found.now <= found.peak
        True
    """
    with suppress(Exception):  # a system that is not as expected
        if sys.platform == "win32":
            return _on_windows()
        if sys.platform == "darwin":
            return _on_macos()
        return _on_linux()
    return None


def _of_descendants(process: int) -> float:
    """The processor time of the living descendants, by ``/proc``; 0 without it."""
    children: dict[int, list[tuple[int, int]]] = defaultdict(list)
    try:
        numbers = [int(name) for name in os.listdir("/proc") if name.isdigit()]
        per_second = os.sysconf("SC_CLK_TCK")
    except (AttributeError, OSError, ValueError):  # no Linux
        return 0.0
    for number in numbers:
        with suppress(OSError, ValueError, IndexError):  # it has ended meanwhile
            with open(f"/proc/{number}/stat", "rb") as file:
                # the name of the program, in brackets, may hold spaces and brackets
                fields = file.read().rpartition(b")")[2].split()
            children[int(fields[1])].append((number, sum(map(int, fields[11:15]))))
    ticks, waiting = 0, [process]
    while waiting:
        for number, own in children.pop(waiting.pop(), ()):
            ticks += own
            waiting.append(number)
    return ticks / per_second


def _on_linux() -> Memory:
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        lines = dict(line.split(":", 1) for line in file if ":" in line)
    now, peak = (1024 * int(lines[name].split()[0]) for name in ("VmRSS", "VmHWM"))
    return Memory(now, max(now, peak))  # the system updates the two at different times


def _on_macos() -> Memory:
    import ctypes
    import resource

    task_info = 4  # PROC_PIDTASKINFO, whose second number of 64 bits is the resident size
    values = (ctypes.c_uint64 * 12)()
    library = ctypes.CDLL("/usr/lib/libSystem.dylib")
    size = ctypes.sizeof(values)
    if library.proc_pidinfo(os.getpid(), task_info, ctypes.c_uint64(0), values, size) != size:
        raise OSError("proc_pidinfo failed")
    now = int(values[1])
    return Memory(now, max(now, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))


def _on_windows() -> Memory:
    import ctypes
    from ctypes import wintypes

    class Counters(ctypes.Structure):
        _fields_ = [
            ("cb", wintypes.DWORD),
            ("page_faults", wintypes.DWORD),
            ("peak", ctypes.c_size_t),
            ("now", ctypes.c_size_t),
            *((f"other_{i}", ctypes.c_size_t) for i in range(6)),
        ]

    counters = Counters()
    counters.cb = ctypes.sizeof(counters)
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined]
    kernel.GetCurrentProcess.restype = wintypes.HANDLE
    read = kernel.K32GetProcessMemoryInfo
    read.argtypes = [wintypes.HANDLE, ctypes.POINTER(Counters), wintypes.DWORD]
    if not read(kernel.GetCurrentProcess(), ctypes.byref(counters), counters.cb):
        raise OSError("K32GetProcessMemoryInfo failed")
    return Memory(counters.now, counters.peak)
