"""`Batcher`: which requests are computed together, and how each gets its own answer."""

import asyncio
import threading

from torch_rechub.server.batching import Batcher
from torch_rechub.server.exchange import Refused


def squares(batches, fails=()):
    """A function that squares numbers, and notes its batches."""

    def answer(numbers):
        batches.append(list(numbers))
        if set(numbers) & set(fails):
            raise ValueError(f"cannot square {set(numbers) & set(fails)}")
        return [n * n for n in numbers]

    return answer


def run(batcher, numbers, timeout=5):
    async def main():
        tasks = [batcher.submit(n, timeout) for n in numbers]
        return await asyncio.gather(*tasks, return_exceptions=True)

    return asyncio.run(main())


def test_each_request_gets_its_own_answer():
    batches = []
    assert run(Batcher(squares(batches), lambda n: 1, 100), range(9)) == [n * n for n in range(9)]
    assert batches == [list(range(9))]


def test_a_batch_has_no_more_rows_than_allowed_and_keeps_the_order():
    batches = []
    run(Batcher(squares(batches), lambda n: n, 10), [4, 5, 6, 2, 30, 1])
    assert batches == [[4, 5], [6, 2], [30], [1]]  # 30 rows of one request are not split


def test_an_error_belongs_to_the_request_that_causes_it():
    batches = []
    found = run(Batcher(squares(batches, fails=[3]), lambda n: 1, 100), range(5))
    assert [str(n) for n in found] == ["0", "1", "4", "cannot square {3}", "16"]


def test_requests_that_arrive_during_a_computation_are_the_next_batch():
    started, release, batches = threading.Event(), threading.Event(), []
    square = squares(batches)

    def answer(numbers):
        started.set()
        release.wait(5)
        return square(numbers)

    batcher = Batcher(answer, lambda n: 1, 100)

    async def main():
        loop = asyncio.get_running_loop()
        first = asyncio.ensure_future(batcher.submit(1, 5))
        await loop.run_in_executor(None, started.wait)  # the loop is free while it computes
        later = [asyncio.ensure_future(batcher.submit(n, 5)) for n in (2, 3)]
        await asyncio.sleep(0)
        assert len(batcher) == 2
        release.set()
        return await asyncio.gather(first, *later)

    assert asyncio.run(main()) == [1, 4, 9]
    assert batches == [[1], [2, 3]]


def test_quick_batches_are_computed_without_a_thread():
    threads = []

    def answer(numbers):
        threads.append(threading.current_thread())
        return numbers

    batcher = Batcher(answer, lambda n: 1, 1)
    run(batcher, range(3))
    assert threads[0] is not threading.main_thread()
    assert threads[1:] == [threading.main_thread()] * 2


def test_an_idle_model_waits_for_more_requests_only_if_configured():
    async def main(batcher):
        first = asyncio.ensure_future(batcher.submit(1, 5))
        await asyncio.sleep(0.01)
        return await asyncio.gather(first, batcher.submit(2, 5))

    for wait_s, expected in ((0.0, [[1], [2]]), (0.2, [[1, 2]])):
        batches = []
        batcher = Batcher(squares(batches), lambda n: 1, 100, wait_s)
        asyncio.run(main(batcher))
        assert batches == expected


def test_a_full_batch_does_not_wait():
    batches = []
    assert run(Batcher(squares(batches), lambda n: 1, 2, wait_s=60), range(4)) == [0, 1, 4, 9]
    assert batches == [[0, 1], [2, 3]]


def test_a_request_without_an_answer_in_time_is_refused_and_not_computed():
    release, batches = threading.Event(), []
    square = squares(batches)

    def answer(numbers):
        release.wait(5)
        return square(numbers)

    batcher = Batcher(answer, lambda n: 1, 1)

    async def main():
        tasks = [asyncio.ensure_future(batcher.submit(n, 0.05 if n else 5)) for n in range(3)]
        found = await asyncio.gather(*tasks[1:], return_exceptions=True)
        release.set()
        return await tasks[0], found

    first, others = asyncio.run(main())
    assert first == 0
    assert all(isinstance(error, Refused) and error.status == 503 for error in others)
    assert batches == [[0]]


def test_the_size_of_each_batch_is_observed():
    observed = []
    batcher = Batcher(squares([]), lambda n: n, 10, 0.0, lambda *sizes: observed.append(sizes))
    run(batcher, [4, 5, 6])
    assert observed == [(2, 9), (1, 6)]


def test_a_wrong_number_of_answers_is_an_error_of_its_request():
    answers = iter([[1, 1], [7]])
    batcher = Batcher(lambda numbers: next(answers), lambda n: 1, 1)
    lost, last = run(batcher, range(2))
    assert "2 answers to 1 requests" in str(lost)
    assert last == 7
