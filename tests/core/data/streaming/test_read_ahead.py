"""Reading ahead in a thread: in order, with its exceptions, and without threads left behind."""

import gc
import os
import threading
import time

import pytest

from torch_rechub.data.streaming import StreamingLoader
from torch_rechub.data.streaming.prefetch import ReadAhead


def threads():
    return [t for t in threading.enumerate() if t.name == "torch_rechub-read-ahead"]


def within(seconds, condition):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


@pytest.mark.parametrize("ahead", [1, 3])
def test_items_come_in_order_and_the_thread_ends(ahead):
    assert list(ReadAhead(lambda: iter(range(50)), ahead)) == list(range(50))
    assert threads() == []


def test_it_reads_no_more_than_ahead():
    made = []

    def make():
        for i in range(10):
            made.append(i)
            yield i

    items = ReadAhead(make, ahead=2)
    assert within(5, lambda: len(made) == 2)
    next(items)
    assert within(5, lambda: len(made) == 3)
    time.sleep(0.05)
    assert len(made) == 3
    items.close()
    assert threads() == []


def test_an_exception_comes_after_the_items_before_it():
    def make():
        yield 1
        raise OSError("unplugged")

    items = ReadAhead(make, ahead=3)
    assert next(items) == 1
    with pytest.raises(OSError, match="unplugged"):
        next(items)
    with pytest.raises(StopIteration):
        next(items)
    assert threads() == []


def test_dropping_an_iterator_ends_its_thread(files):
    loader = StreamingLoader(f"{files}/*.parquet", 10, columns=["row"], buffer_groups=1)
    iterators = [iter(loader) for _ in range(3)]
    for one in iterators:
        next(one)
    assert len(threads()) == 3
    del iterators, one
    gc.collect()
    assert threads() == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_iterates_anew_and_refuses_the_iterator_of_its_parent(files):
    loader = StreamingLoader(f"{files}/*.parquet", 100, columns=["row"], shuffle=True)
    parents = iter(loader)
    next(parents)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            try:
                list(parents)
            except RuntimeError as error:
                status = 2 if "iterate over the loader anew" in str(error) else 3
            loader.set_epoch(0)
            status += 10 * (sum(len(x["row"]) for x in loader) == 1000)
        finally:
            os._exit(status)
    end = time.monotonic() + 60
    while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0):
        assert time.monotonic() < end, "the child hangs"
        time.sleep(0.02)
    assert os.waitstatus_to_exitcode(ended[1]) == 12  # refused the one, read all rows by the other
    assert len(list(parents)) == 9
