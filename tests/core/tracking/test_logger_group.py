import threading

import pytest

from torch_rechub.basic.tracking import BaseLogger, LoggerClosedError, LoggerGroup, RunLogger


class Notes(BaseLogger):
    """Writes its calls into a list that several loggers share; fails in the methods it is given."""

    def __init__(self, calls, name="logger", fails_in=(), error=None):
        self.calls = calls
        self.name = name
        self.fails_in = fails_in
        self.error = error or OSError("disk full")

    def _note(self, method, *args):
        self.calls.append((self.name, method, *args))
        if method in self.fails_in:
            raise self.error

    def log_metrics(self, metrics, step=None):
        self._note("log_metrics", metrics, step)

    def log_hyperparams(self, params):
        self._note("log_hyperparams", params)

    def log_failure(self, error):
        self._note("log_failure", error)

    def finish(self):
        self._note("finish")


class Duck:
    """No base class, just the three methods."""

    def __init__(self):
        self.calls = []

    def log_metrics(self, metrics, step=None):
        self.calls.append((metrics, step))

    def log_hyperparams(self, params):
        self.calls.append(params)

    def finish(self):
        self.calls.append("finish")


def test_loggers_are_fed_in_order_and_finished_in_reverse():
    calls = []
    with LoggerGroup([Notes(calls, "a"), Notes(calls, "b")]) as group:
        group.log_hyperparams({"lr": 1})
        group.log_metrics({"auc": 0.5}, step=0)
    assert calls == [
        ("a", "log_hyperparams", {"lr": 1}),
        ("b", "log_hyperparams", {"lr": 1}),
        ("a", "log_metrics", {"auc": 0.5}, 0),
        ("b", "log_metrics", {"auc": 0.5}, 0),
        ("b", "finish"),
        ("a", "finish"),
    ]


def test_one_logger_a_tuple_or_none_at_all_will_do():
    wrap = (lambda logger: logger, lambda logger: (logger,), lambda logger: iter([logger]))
    for loggers in wrap:
        calls = []
        with LoggerGroup(loggers(Notes(calls))) as group:
            group.log_metrics({"auc": 0.5}, step=0)
        assert calls == [("logger", "log_metrics", {"auc": 0.5}, 0), ("logger", "finish")]
    with LoggerGroup([]) as group:
        assert group.log_metrics({"auc": 0.5}, step=0) is None


def test_an_object_with_the_three_methods_is_a_logger():
    duck = Duck()
    with pytest.raises(ValueError), LoggerGroup(duck) as group:  # noqa: PT012
        group.log_hyperparams({"lr": 1})
        group.log_metrics({"auc": 0.5}, step=0)
        raise ValueError
    assert duck.calls == [{"lr": 1}, ({"auc": 0.5}, 0), "finish"]


@pytest.mark.parametrize("what", ["runs", object(), BaseLogger, [BaseLogger()], None])
def test_anything_else_is_refused_with_what_it_lacks(what):
    with pytest.raises(TypeError, match="model_logger takes loggers, objects with the methods"):
        LoggerGroup([what])


def test_no_logger_can_change_what_the_next_one_gets():
    class Greedy(Notes):
        def log_metrics(self, metrics, step=None):
            metrics.clear()

        log_hyperparams = log_metrics

    calls = []
    metrics, params = {"auc": 0.5}, {"lr": 1}
    with LoggerGroup([Greedy(calls), Notes(calls)]) as group:
        group.log_metrics(metrics, step=0)
        group.log_hyperparams(params)
    assert calls[0][2] == metrics == {"auc": 0.5}
    assert calls[1][2] == params == {"lr": 1}


@pytest.mark.parametrize("method", ["log_metrics", "log_hyperparams", "finish"])
def test_a_failing_logger_disturbs_neither_training_nor_the_others(method, caplog):
    bad, good = [], []
    with LoggerGroup([Notes(bad, fails_in=[method]), Notes(good)]) as group:
        group.log_hyperparams({"lr": 1})
        for epoch in range(2):
            group.log_metrics({"auc": 0.5}, step=epoch)
    assert [call[1] for call in good] == ["log_hyperparams", *["log_metrics"] * 2, "finish"]
    assert [call[1] for call in bad] == [call[1] for call in good]
    messages = [record.getMessage() for record in caplog.records]
    assert len([m for m in messages if f"Notes failed in {method}" in m]) == 1


def test_a_logger_that_keeps_failing_is_switched_off_but_finished(caplog):
    calls = []
    with LoggerGroup(Notes(calls, fails_in=["log_metrics"])) as group:
        for epoch in range(10):
            group.log_metrics({"auc": 0.5}, step=epoch)
    assert [call[1] for call in calls] == ["log_metrics"] * 3 + ["finish"]
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 3  # the first failure, the switching off, the count
    assert messages[-1] == "Notes: 10 records were lost in this run."


def test_a_logger_that_recovers_is_kept(caplog):
    calls = []
    logger = Notes(calls)
    with LoggerGroup(logger) as group:
        for epoch in range(9):
            logger.fails_in = ["log_metrics"] if epoch % 3 else []
            group.log_metrics({"auc": 0.5}, step=epoch)
    assert len([call for call in calls if call[1] == "log_metrics"]) == 9
    assert caplog.records[-1].getMessage() == "Notes: 6 records were lost in this run."


@pytest.mark.parametrize("error", [ValueError("nan"), KeyboardInterrupt(), SystemExit(3)], ids=repr)
def test_whatever_ends_training_reaches_the_loggers_and_then_the_user(error):
    calls = []
    with pytest.raises(type(error)) as raised, LoggerGroup([Notes(calls, "a"), Notes(calls, "b")]):
        raise error
    assert raised.value is error
    assert calls == [
        ("b", "log_failure", error),
        ("b", "finish"),
        ("a", "log_failure", error),
        ("a", "finish"),
    ]


def test_ctrl_c_during_a_finish_still_finishes_the_others():
    calls = []
    impatient = Notes(calls, "b", fails_in=["finish"], error=KeyboardInterrupt())
    with (
        pytest.raises(KeyboardInterrupt),
        LoggerGroup([Notes(calls, "a"), impatient, Notes(calls, "c")]),
    ):
        pass
    assert calls == [("c", "finish"), ("b", "finish"), ("a", "finish")]


def test_a_finished_logger_is_refused_before_training():
    logger = RunLogger()
    logger.finish()
    with pytest.raises(LoggerClosedError, match="Create a new logger"), LoggerGroup([logger]):
        pytest.fail("training started")


@pytest.mark.parametrize("method", ["log_metrics", "log_hyperparams", "finish"])
def test_on_error_raise_ends_training_by_the_fault_and_finishes_all(method):
    error = OSError("disk full")
    bad, good = [], []
    loggers = [Notes(good), Notes(bad, fails_in=[method], error=error)]
    with pytest.raises(OSError) as raised, LoggerGroup(loggers, on_error="raise") as group:  # noqa: PT012
        group.log_hyperparams({"lr": 1})
        group.log_metrics({"auc": 0.5}, step=0)
    assert raised.value is error
    assert [calls[-1][1] for calls in (good, bad)] == ["finish", "finish"]


def test_on_error_raise_never_replaces_what_training_died_of(caplog):
    error = ValueError("the loss is nan")
    bad = Notes([], fails_in=["log_failure", "finish"])
    with pytest.raises(ValueError) as raised, LoggerGroup(bad, on_error="raise"):
        raise error
    assert raised.value is error
    assert "Notes failed in finish" in caplog.text


def test_on_error_is_one_of_two():
    with pytest.raises(ValueError, match="on_error must be 'report' or 'raise', got 'ignore'"):
        LoggerGroup([], on_error="ignore")


def test_an_optional_method_is_offered_to_those_that_have_it():
    class Reader(Duck):
        def log_text(self, name, text):
            self.calls.append((name, text))

    duck, reader = Duck(), Reader()
    with LoggerGroup([duck, reader]) as group:
        group.offer("log_text", "model", "DeepFM()")
    assert (duck.calls, reader.calls) == (["finish"], [("model", "DeepFM()"), "finish"])


class Informed(Notes):
    """Notes the loggers that were switched off, too."""

    def log_lost(self, logger, error):
        self._note("log_lost", logger, error)


def lost(calls):
    return [(name, *args) for name, method, *args in calls if method == "log_lost"]


def test_the_other_loggers_are_informed_once_of_one_that_is_switched_off():
    calls = []
    error = OSError("disk full, api_key=s3cretvalue")
    loggers = [
        Informed(calls, "before"),
        Notes(calls, "bad", ["log_metrics"], error),
        Informed(calls, "after"),
        Duck(),
    ]
    with LoggerGroup(loggers) as group:
        for step in range(2):
            group.log_metrics({"auc": 0.5}, step=step)
        assert lost(calls) == []
        for step in range(5):
            group.log_metrics({"auc": 0.5}, step=step)
    text = "OSError('disk full, api_key=<redacted>')"
    assert lost(calls) == [("before", "Notes", text), ("after", "Notes", text)]


def test_two_loggers_that_fail_in_the_hook_itself_are_each_lost_once():
    calls = []
    loggers = [Informed(calls, n, ["log_metrics", "log_lost"]) for n in ("a", "b")]
    with LoggerGroup(loggers) as group:
        for step in range(9):
            group.log_metrics({"auc": 0.5}, step=step)
    assert [name for name, *_ in lost(calls)] == ["b"]


def test_a_logger_lost_at_the_end_is_reported_to_those_not_yet_finished(monkeypatch):
    monkeypatch.setattr("torch_rechub.basic.tracking.member.end_process_in_time", lambda *_: None)
    calls, release = [], threading.Event()

    class Hanging(BaseLogger):
        any_thread = True

        def finish(self):
            release.wait(10)

    first, last = Informed(calls, "first"), Informed(calls, "last")
    with LoggerGroup([first, Hanging(), last], timeout=0.05):
        pass
    release.set()
    assert lost(calls) == [("first", "Hanging", "finish: no answer for 0.05 s")]
