"""Every layer has tests beside those of the others."""

import re
from pathlib import Path

import pytest

from torch_rechub.basic import layers

TESTS = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))


@pytest.mark.parametrize("name", layers.__all__)
def test_a_layer_is_made_in_a_test(name):
    assert re.search(rf"\b{name}\(", TESTS), f"no test in {Path(__file__).parent} makes a {name}"
