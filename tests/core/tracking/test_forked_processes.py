"""A process that is forked while a run is open never writes to it, and ends."""

import multiprocessing
import os
import signal
import time

import pytest

from torch_rechub.basic.tracking import BaseLogger, JSONLLogger, LoggerClosedError, LoggerGroup
from torch_rechub.runs import read_runs

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows forks no processes")


def in_a_child(work, limit=20):
    """The exit status of a forked process that does `work` and exits as Python does."""
    pid = os.fork()
    if pid == 0:
        signal.alarm(limit)
        status = 1
        try:
            work()
            status = 0
        except SystemExit as exit:
            status = exit.code
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


class Slow(JSONLLogger):
    def write_metrics(self, metrics, step):
        time.sleep(0.01)
        super().write_metrics(metrics, step)


@pytest.mark.parametrize("timeout", [30, None])
def test_a_child_that_exits_in_the_middle_of_a_run_leaves_it_alone(timeout, tmp_path):
    plain = []

    class Plain(BaseLogger):
        def finish(self):
            plain.append(os.getpid())

    with LoggerGroup([Slow(dir=tmp_path), Plain()], timeout=timeout) as group:
        group.log_metrics({"auc": 0.5}, step=0)

        def work():
            group.log_metrics({"auc": 9.0}, step=1)
            group.__exit__(SystemExit, SystemExit(3), None)
            assert plain == []
            raise SystemExit(3)

        assert in_a_child(work) == 3
        group.log_metrics({"auc": 0.6}, step=1)
    (run,) = read_runs(tmp_path)
    assert (run.status, run.metrics["auc"]) == ("finished", [(0, 0.5), (1, 0.6)])
    assert plain == [os.getpid()]


def test_a_logger_used_in_a_child_says_where_it_belongs(tmp_path):
    logger = JSONLLogger(dir=tmp_path)

    def work():
        assert logger.closed
        with pytest.raises(LoggerClosedError, match="opened in another process, which alone"):
            logger.log_metrics({"auc": 9.0}, 0)
        with pytest.raises(LoggerClosedError, match="in another process"), LoggerGroup(logger):
            pass
        logger.finish()

    assert in_a_child(work) == 0
    assert not logger.closed
    logger.finish()
    (run,) = read_runs(tmp_path)
    assert (run.status, run.metrics) == ("finished", {})


def test_a_child_that_trains_on_its_own_opens_its_own(tmp_path):
    with LoggerGroup(JSONLLogger(name="parent", dir=tmp_path)) as group:

        def work():
            with LoggerGroup(JSONLLogger(name="child", dir=tmp_path)) as own:
                own.log_metrics({"auc": 0.9}, step=0)

        child = multiprocessing.get_context("fork").Process(target=work)
        child.start()
        child.join(20)
        assert child.exitcode == 0
        group.log_metrics({"auc": 0.5}, step=0)
    runs = {run.name: (run.status, run.metrics["auc"]) for run in read_runs(tmp_path)}
    assert runs == {"parent": ("finished", [(0, 0.5)]), "child": ("finished", [(0, 0.9)])}
