"""Every example in a docstring of the package runs and prints what it says."""

import doctest
import importlib
import pkgutil

import pytest
import torch

import torch_rechub

# Their examples fetch a data set.
NEEDS_NETWORK = {"torch_rechub.data.public.ml_100k"}

MODULES = [
    module
    for info in pkgutil.walk_packages(torch_rechub.__path__, "torch_rechub.")
    if info.name not in NEEDS_NETWORK
    for module in [importlib.import_module(info.name)]
    if any(test.examples for test in doctest.DocTestFinder().find(module))
]


def test_examples_were_found():
    assert {"torch_rechub.basic.features", "torch_rechub.trainers.ctr_trainer"} <= {
        module.__name__ for module in MODULES
    }


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_the_examples_of_a_module_hold(module):
    torch.manual_seed(0)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    failed, attempted = doctest.testmod(module, optionflags=flags)
    assert attempted > 0
    assert failed == 0, f"{failed} of {attempted} examples of {module.__name__} fail, see above"
