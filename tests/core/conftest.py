"""Tests of the core run on one thread, with a seed of their own, some on a device of choice."""

import copy
import os

import pytest
import torch

from torch_rechub.data.batch import to_device

pytest.register_assert_rewrite("torch_rechub.testing")


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def device(monkeypatch):
    """Where models and trainers are tested beside the CPU: RECHUB_TEST_DEVICE, such as "cuda:0".

    Without it, the CPU by another name, so that the same tests run everywhere.
    """
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)  # numbers as the CPU has them
    return os.environ.get("RECHUB_TEST_DEVICE", "cpu:0")


@pytest.fixture
def on_device(device):
    """Tensors, and dicts and sequences of them, on that device; a model is copied there."""

    def move(value):
        if isinstance(value, torch.nn.Module):
            return copy.deepcopy(value).to(device)
        return to_device(value, torch.device(device))

    return move


@pytest.fixture
def same_on_device(device):
    """Asserts that results were computed on that device, and are those of the CPU."""

    def check(found, expected):
        assert found.device.type == torch.device(device).type
        torch.testing.assert_close(found.cpu(), expected, rtol=1e-4, atol=1e-4)

    return check


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)
