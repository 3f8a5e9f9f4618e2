"""The live page sees the runs of every tracker grow, as a new reading has them."""

import time

import pytest
from backends import open_logger
from expected_trackers import EXPECTED

from torch_rechub.runs import read_runs
from torch_rechub.ui import LiveRuns

pytestmark = pytest.mark.slow


def wait_until_equal(live, folder):
    """Some SDKs write in a process of their own, between the two readings."""
    end = time.monotonic() + 20
    while True:
        live.refresh()
        runs = [entry.run for entry in live.snapshot.entries]
        if runs == list(read_runs(folder)):
            return
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.parametrize("backend", ["jsonl", *EXPECTED])
def test_the_live_page_sees_runs_grow(backend, tmp_path):
    logger = open_logger(backend, tmp_path)
    live = LiveRuns([tmp_path])
    logger.log_hyperparams({"lr": 0.1})
    for step in range(3):
        logger.log_metrics({"val/auc": step / 7}, step)
        logger.flush()
        wait_until_equal(live, tmp_path)
    logger.finish()
    wait_until_equal(live, tmp_path)
    (entry,) = live.snapshot.entries
    assert [step for step, _ in entry.run.metrics["val/auc"]] == [0, 1, 2]
