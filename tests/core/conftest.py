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
    """The device to test on in addition to the CPU: RECHUB_TEST_DEVICE, such as "cuda:0".

    Without it, the CPU.
    """
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)  # numbers as the CPU has them
    return os.environ.get("RECHUB_TEST_DEVICE", "cpu")


@pytest.fixture
def other_device(device):
    """That device, for tests that compare it with the CPU: without one, they are not collected."""
    return device


def pytest_collection_modifyitems(config, items):
    if "RECHUB_TEST_DEVICE" not in os.environ:
        compared = [i for i in items if "other_device" in getattr(i, "fixturenames", ())]
        config.hook.pytest_deselected(items=compared)
        items[:] = [item for item in items if item not in set(compared)]


@pytest.fixture
def on_device(device):
    """Tensors, and dicts and sequences of them, on that device; a model is copied there."""

    def move(value):
        if isinstance(value, torch.nn.Module):
            return copy.deepcopy(value).to(device)
        return to_device(value, torch.device(device))

    return move


@pytest.fixture
def same_on_device(other_device):
    """Asserts that results were computed on that device, and are those of the CPU."""

    def check(found, expected):
        assert found.device.type == torch.device(other_device).type
        torch.testing.assert_close(found.cpu(), expected, rtol=1e-4, atol=1e-4)

    return check


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)
