"""Artifacts that are no files, cells of odd types, and empty labels."""

import os
import signal

import numpy as np
import pytest
import torch

from torch_rechub.basic.tracking import JSONLLogger
from torch_rechub.basic.tracking.labels import run_labels
from torch_rechub.basic.tracking.table_cells import plain_table


class Mute:
    def __str__(self):
        raise RuntimeError("no text")


@pytest.fixture
def _at_most_ten_seconds():
    def stop(*_):
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(10)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("_at_most_ten_seconds")
def test_pipes_and_devices_are_no_artifacts(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (tmp_path / "link").symlink_to(pipe)
    with JSONLLogger(dir=tmp_path / "runs") as logger:
        for path in (pipe, tmp_path / "link", "/dev/zero"):
            with pytest.raises(ValueError, match=r"must be a file, got .* a pipe or a device"):
                logger.log_artifact("model", str(path), "file")
        with pytest.raises(FileNotFoundError):
            logger.log_artifact("model", str(tmp_path / "none"), "file")
        with pytest.raises(TypeError, match="the name of an artifact must be a text, got 5"):
            logger.log_artifact(5, str(pipe), "file")


def test_tensors_of_one_element_are_numbers_in_tables():
    cells = [torch.tensor(2.0, requires_grad=True), torch.tensor([3]), np.array([1.5]),
             np.int64(4), torch.tensor(float("nan"))]  # fmt: skip
    _, rows = plain_table(["c"], [[cell] for cell in cells])
    assert rows == [[2.0], [3], [1.5], [4], [None]]
    assert plain_table(["c"], [[torch.ones(2)]])[1] == [["tensor([1., 1.])"]]


def test_a_cell_without_a_text_does_not_lose_the_table():
    _, rows = plain_table(["a", "b"], [[Mute(), 1]])
    assert rows == [["<its text raises RuntimeError>", 1]]


def test_an_empty_tag_is_refused_in_every_tracker():
    with pytest.raises(ValueError, match="ListLogger: tags must not be empty"):
        run_labels("ListLogger", tags=["a", ""])
