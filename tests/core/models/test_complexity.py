"""The complexity that a docstring states, against multiply-adds counted.

Each size in turn is made four times as large: the count may then grow at most twice as much as the
formula, which a missing factor of that size would exceed, and at least two fifths as much, which
one too many would miss. Matrix products alone are counted; a model without any, such as FM, has
nothing to compare.
"""

import re

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from core.models.complexity_table import CASES, IDS
from torch_rechub.basic.layers.embedding import input_columns
from torch_rechub.models import generative as G

B = 4


def inputs(model, L=5, n=5, **sizes):
    """Random inputs of a model."""
    if isinstance(model, G.RQVAEModel):
        return torch.randn(B, 32)
    if isinstance(model, G.HSTUModel | G.HLLMModel):
        return torch.randint(1, IDS, (B, L))
    lengths = {name: (L,) for name in input_columns(model) if name.startswith("steps")}
    lengths |= {"negatives": (n,)}
    shapes = {name: (B, *lengths.get(name, ())) for name in input_columns(model)}
    return {name: torch.randint(1, IDS, shape) for name, shape in shapes.items()}


def counted(model, sizes):
    """Multiply-adds of matrix products, a sample."""
    x = inputs(model.eval(), **sizes)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(x)
    return counter.get_total_flops() / 2 / B


def stated(model, case, letters):
    """The complexity in the docstring, evaluated for the values of its letters."""
    text = type(model).__doc__.partition("Complexity: ")[2].partition(".\n\n")[0]
    (chosen,) = [part for part in text.split("; ") if part.startswith(case or "O(")]
    formula = re.search(r"O\((.*?)\)(?:,|$)", chosen)[1].replace("²", "**2").replace("⁴", "**4")
    for letter in [name for name in letters if not name.isidentifier()]:
        formula = formula.replace(letter, f"({letters[letter]})")
    return eval(re.sub(r"(?<=[\w)]) (?=[\w(])", " * ", formula), {}, dict(letters))


@pytest.mark.parametrize("name", CASES)
def test_the_cost_grows_as_the_docstring_says(name):
    sizes, make, derived = CASES[name]

    def ratio(sizes):
        model = make(**sizes)
        letters = {**sizes, **(derived(**sizes) if derived else {})}
        return counted(model, sizes) / stated(model, name.partition(", ")[2], letters)

    base = ratio(sizes)
    grown = {size: ratio({**sizes, size: 4 * sizes[size]}) / base for size in sizes}
    assert {size: g for size, g in grown.items() if not 0.4 <= g <= 2} == {}
