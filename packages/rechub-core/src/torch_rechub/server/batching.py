"""`Batcher`: requests that arrive while the model computes are answered together."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Thread
from typing import Any, Generic, TypeVar

from .exchange import Refused

log = logging.getLogger("torch_rechub")

Q = TypeVar("Q")
A = TypeVar("A")

_Job = tuple[Q, "asyncio.Future[A]", int]  # a request, its answer, its rows

# A batch is computed in the event loop if one of the last took less: a thread would wait for the
# interpreter's lock after each operation of torch while the loop is busy. Longer ones go to a
# thread, so that the loop still answers other requests.
_QUICK_S = 0.05


class Batcher(Generic[Q, A]):
    """Answers queued requests in batches, one batch at a time, in the order of arrival.

    An idle model starts at once, with the requests that the event loop read in the same turn.
    A request that fails does so alone: the others of its batch are answered.

    Args:
        answer: Returns the answers of requests, in their order.
        size: The number of rows of a request.
        most_rows: Rows of a batch at most; a single request may have more.
        wait_s: Time that an idle model waits for more requests.
        observe: Called with the requests, and rows, of each batch.

    Attributes:
        is_alone: Says whether a request is the only one in progress, so that no other can join it;
            the server knows those that it has read and not yet begun.
    """

    def __init__(
        self,
        answer: Callable[[Sequence[Q]], Sequence[A]],
        size: Callable[[Q], int],
        most_rows: int,
        wait_s: float = 0.0,
        observe: Callable[[int, int], None] = lambda requests, rows: None,
    ) -> None:
        self._answer, self._size, self._observe = answer, size, observe
        self._most_rows, self._wait_s = most_rows, wait_s
        self._queue: deque[_Job[Q, A]] = deque()
        self._rows = 0  # of the queue
        self._timer: asyncio.Handle | None = None
        self._computes = False
        self._last: deque[float] = deque(maxlen=4)  # seconds of batches
        self.is_alone: Callable[[], bool] = lambda: False

    def __len__(self) -> int:
        """The number of requests that wait."""
        return len(self._queue)

    async def submit(self, request: Q, timeout_s: float) -> A:
        """Return the answer to a request.

        Raises:
            Refused: There was none in time (503).
            Exception: That of `answer` for the request alone.
        """
        rows = self._size(request)
        if self._is_quick() and not (self._queue or self._computes) and self.is_alone():
            self._observe(1, rows)
            (answer,) = self._answers([request])
            if isinstance(answer, Exception):
                raise answer
            return answer
        loop = asyncio.get_running_loop()
        future: asyncio.Future[A] = loop.create_future()
        self._queue.append((request, future, rows))
        self._rows += rows
        self._start(loop)
        timer = loop.call_later(timeout_s, _expire, future, timeout_s)
        try:
            return await future
        finally:
            timer.cancel()

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._computes or not self._queue:
            return
        full = self._rows >= self._most_rows
        if self._timer is not None and not (full and self._wait_s):
            return
        if self._timer is not None:
            self._timer.cancel()
        if self._wait_s and not full:
            self._timer = loop.call_later(self._wait_s, self._compute, loop)
        else:  # in the next turn of the loop: what it reads in this one joins
            self._timer = loop.call_soon(self._compute, loop)

    def _compute(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        batch = self._take()
        if not batch:
            return
        self._observe(len(batch), sum(rows for _, _, rows in batch))
        requests = [request for request, _, _ in batch]
        self._computes = True
        if self._is_quick():
            self._deliver(batch, self._answers(requests), loop)
            return
        # a daemon, which does not keep a process alive that has stopped serving
        Thread(target=self._compute_aside, args=(batch, requests, loop), daemon=True).start()

    def _compute_aside(
        self, batch: list["_Job[Q, A]"], requests: list[Q], loop: asyncio.AbstractEventLoop
    ) -> None:
        answers = self._answers(requests)
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(self._deliver, batch, answers, loop)

    def _is_quick(self) -> bool:
        return bool(self._last) and min(self._last) < _QUICK_S

    def _take(self) -> list["_Job[Q, A]"]:
        """Remove the requests of the next batch from the queue."""
        batch: list[_Job[Q, A]] = []
        rows = 0
        while self._queue and (not batch or rows + self._queue[0][2] <= self._most_rows):
            job = self._queue.popleft()
            self._rows -= job[2]
            if not job[1].done():  # neither expired nor gone
                batch.append(job)
                rows += job[2]
        return batch

    def _answers(self, requests: Sequence[Q]) -> Sequence[A | Exception]:
        """Return answers, and the errors of the requests that have one."""
        started = time.perf_counter()
        try:
            answers = self._answer(requests)
            if len(answers) != len(requests):
                raise RuntimeError(f"{len(answers)} answers to {len(requests)} requests")
            return answers
        except Exception as error:
            if len(requests) == 1:
                return [error]
            half = len(requests) // 2  # halves, so that one bad request costs its batch little
            return [*self._answers(requests[:half]), *self._answers(requests[half:])]
        finally:
            self._last.append(time.perf_counter() - started)

    def _deliver(
        self,
        batch: list["_Job[Q, A]"],
        answers: Sequence[A | Exception],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._computes = False
        for (_, future, _), answer in zip(batch, answers, strict=True):
            if future.done():
                continue
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)
        self._start(loop)


def _expire(future: "asyncio.Future[Any]", seconds: float) -> None:
    if not future.done():
        text = f"no answer within {seconds:g} s: the server is busy, send the request again later"
        future.set_exception(Refused(503, text, (b"retry-after", b"1")))
