"""Callbacks: when `fit` calls them, that they can stop it, and how they may fail."""

import pytest
import torch

from torch_rechub.trainers import Callback


class Diary(Callback):
    """Notes each call; raises, or stops training, in the calls it is given."""

    def __init__(self, raises=None, stops_after=None):
        self.calls, self.raises, self.stops_after = [], raises, stops_after

    def note(self, *call):
        self.calls.append(call)
        if call[0] == self.raises:
            raise ZeroDivisionError(self.raises)

    def on_fit_begin(self, trainer):
        self.trainer = trainer
        self.note("on_fit_begin", len(trainer.history))

    def on_step(self, step, losses):
        self.note("on_step", step, tuple(losses.shape))

    def on_epoch_end(self, row):
        self.note("on_epoch_end", row["epoch"])
        assert row == self.trainer.history[-1]
        return row["epoch"] == self.stops_after

    def on_fit_end(self, status):
        self.note("on_fit_end", status)


def test_the_order_of_calls(make_trainer, loaders):
    diary = Diary()
    make_trainer(n_epoch=2, callbacks=[diary]).fit(*loaders)  # 4 steps an epoch
    steps = [[("on_step", 4 * epoch + i + 1, (1,)) for i in range(4)] for epoch in range(2)]
    assert diary.calls == [
        ("on_fit_begin", 0),
        *steps[0],
        ("on_epoch_end", 0),
        *steps[1],
        ("on_epoch_end", 1),
        ("on_fit_end", "completed"),
    ]


def test_a_callback_stops_training(make_trainer, loaders, fake_logger):
    first, second = Diary(stops_after=1), Diary()
    trainer = make_trainer(n_epoch=9, callbacks=[first, second], model_logger=fake_logger)
    trainer.fit(*loaders)
    assert fake_logger.steps == [0, 1]
    assert first.calls[-1] == second.calls[-1] == ("on_fit_end", "stopped")


def test_early_stopping_is_reported_as_stopped(make_trainer, loaders, scores):
    diary = Diary()
    trainer = make_trainer(n_epoch=9, earlystop_patience=1, callbacks=[diary])
    scores(trainer, [0.5, 0.4])
    trainer.fit(*loaders)
    assert diary.calls[-1] == ("on_fit_end", "stopped")


def test_the_best_weights_are_in_the_model_when_training_ends(make_trainer, loaders, scores):
    class Last:
        def on_fit_end(self, status):
            self.weights = {k: v.clone() for k, v in trainer.model.state_dict().items()}

    last = Last()
    trainer = make_trainer(n_epoch=3, callbacks=[last])
    seen = scores(trainer, [0.5, 0.9, 0.4])
    trainer.fit(*loaders)
    assert all(torch.equal(v, seen.weights[1][k]) for k, v in last.weights.items())


@pytest.mark.parametrize("method", ["on_fit_begin", "on_step", "on_epoch_end", "on_fit_end"])
def test_an_exception_ends_training_with_loggers_finished(
    make_trainer, loaders, fake_logger, method
):
    faulty, other = Diary(raises=method), Diary()
    trainer = make_trainer(callbacks=[faulty, other], model_logger=fake_logger)
    with pytest.raises(ZeroDivisionError, match=method):
        trainer.fit(*loaders)
    assert fake_logger.order[-1] == "finish"
    if method != "on_fit_begin":
        ended = "completed" if method == "on_fit_end" else "failed"
        assert other.calls[-1] == ("on_fit_end", ended)


def test_an_error_of_training_is_not_hidden_by_one_of_a_callback(make_trainer, loaders, caplog):
    class Broken(Callback):
        def on_epoch_end(self, row):
            raise KeyboardInterrupt

        def on_fit_end(self, status):
            self.status = status
            raise ZeroDivisionError

    broken = Broken()
    with pytest.raises(KeyboardInterrupt):
        make_trainer(callbacks=[broken]).fit(*loaders)
    assert broken.status == "interrupted"
    assert "A callback failed in on_fit_end" in caplog.text


def test_a_second_fit_begins_afresh(make_trainer, loaders):
    diary = Diary(stops_after=0)
    trainer = make_trainer(callbacks=[diary])
    trainer.fit(*loaders)
    diary.stops_after, diary.calls = None, []
    trainer.fit(*loaders)
    assert diary.calls[0] == ("on_fit_begin", 0)
    assert diary.calls[-1] == ("on_fit_end", "completed")


def test_steps_are_heard_only_by_those_who_listen(make_trainer, loaders):
    trainer = make_trainer(callbacks=[Callback()])
    trainer.fit(*loaders)
    assert trainer.callbacks.step_listeners() == []


@pytest.mark.parametrize("callbacks", [[object()], [Diary], "diary", [None]])
def test_other_objects_are_refused(make_trainer, callbacks):
    with pytest.raises(TypeError, match="callbacks must be"):
        make_trainer(callbacks=callbacks)
