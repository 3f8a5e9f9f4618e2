"""Reading ahead in a thread that ends with its iterator."""

import os
import threading
import weakref
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Generic, TypeVar

Item = TypeVar("Item")


class ReadAhead(Generic[Item]):
    """Iterates over the items that a function yields, which a thread computes ahead.

    The thread ends when the iterator is exhausted, closed or dropped. An exception of the function
    is raised in place of the item.

    Args:
        make: A function that returns an iterator; called in the thread.
        ahead: The number of items to compute ahead, at least 1.

    Example:
        >>> list(ReadAhead(lambda: iter("ab"), ahead=1))
        ['a', 'b']
    """

    def __init__(self, make: Callable[[], Iterator[Item]], ahead: int) -> None:
        self._items: SimpleQueue[tuple[str, object]] = SimpleQueue()
        self._room, self._stop = threading.Semaphore(ahead), threading.Event()
        self._process, self._over = os.getpid(), False
        # the thread must not hold the iterator, or dropping it would not end the thread
        arguments = (make, self._items, self._room, self._stop)
        self._thread = threading.Thread(
            target=_read, args=arguments, name="torch_rechub-read-ahead", daemon=True
        )
        ending = (self._process, self._thread, self._room, self._stop)
        self.close = weakref.finalize(self, _close, *ending)
        self._thread.start()

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        if self._over:
            raise StopIteration
        if os.getpid() != self._process:
            raise RuntimeError(
                "this iterator was made before the process was forked, and its thread is in the "
                "other process: iterate over the loader anew"
            )
        kind, item = self._items.get()
        self._room.release()
        if kind == "item":
            return item  # type: ignore[return-value]
        self._over = True
        self.close()
        if kind == "error":
            raise item  # type: ignore[misc]
        raise StopIteration


def _read(
    make: Callable[[], Iterator[Item]],
    items: "SimpleQueue[tuple[str, object]]",
    room: threading.Semaphore,
    stop: threading.Event,
) -> None:
    """Put items in the queue, at most as many as there is room for, until there are no more."""
    try:
        room.acquire()
        if stop.is_set():
            return
        for item in make():
            if stop.is_set():
                return
            items.put(("item", item))
            del item  # a large one is not kept while waiting
            room.acquire()
            if stop.is_set():
                return
        items.put(("end", None))
    except BaseException as error:  # raised where the item is expected
        items.put(("error", error))


def _close(
    process: int, thread: threading.Thread, room: threading.Semaphore, stop: threading.Event
) -> None:
    """End the thread."""
    if os.getpid() != process:
        return  # forked: no thread is here, and its locks may be held for ever
    stop.set()
    room.release()
    if thread is not threading.current_thread():
        thread.join(timeout=60)
