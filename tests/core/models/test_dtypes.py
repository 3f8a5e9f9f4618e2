"""Inputs of any type, and numbers that are extreme for a type, in models and layers.

That each model computes in the type of its weights is in the contract, `torch_rechub.testing`.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from core.models import (
    matching_table,
    test_every_generative_model,
    test_every_ranking_model,
)
from core.models.multi_task import test_contract as multi_task
from torch_rechub.basic.features import DenseFeature, SparseFeature
from torch_rechub.basic.initializers import Pretrained
from torch_rechub.basic.layers import CapsuleNetwork, EmbeddingLayer
from torch_rechub.basic.layers.precision import leave_out, unit_length
from torch_rechub.losses.blockwise_softmax import softmax_loss
from torch_rechub.models.generative import HLLMModel

HALVES = [torch.float16, torch.bfloat16]
TYPES = [torch.float64, torch.float32, *HALVES]

Inputs = dict[str, torch.Tensor]
Case = tuple[Callable[[], Any], Callable[[int], Inputs], Callable[[Any, Inputs], Any]]


def towers(model, x):
    return [model(x), *(tower(x) for tower in (model.user_tower, model.item_tower))]


def cases() -> dict[str, Case]:
    """How each model is made, its inputs, and all that it returns."""
    found: dict[str, Case] = {}
    ranking = test_every_ranking_model
    for name, make in ranking.MODELS.items():
        found[name] = make, ranking.inputs, lambda model, x: model(x)
    for name, make in multi_task.MODELS.items():
        found[name] = (lambda make=make: make(3)), multi_task.inputs, lambda model, x: model(x)
    for name, row in matching_table.MODELS.items():
        call = towers if row.towers else lambda model, x: model(x)
        found[name] = row.make, matching_table.inputs, call
    for name, row in test_every_generative_model.TABLE.items():
        found[name] = (
            row.make,
            lambda n, row=row: dict(zip("ab", row.inputs(n))),
            lambda model, x, row=row: row.outputs(model, *x.values()),
        )
    return found


CASES = cases()
WITH_DENSE = [
    name
    for name, (_, inputs, _) in CASES.items()
    if any(v.is_floating_point() for v in inputs(2).values())
]


def parts(output) -> list[torch.Tensor]:
    return [output] if isinstance(output, torch.Tensor) else [p for o in output for p in parts(o)]


def in_type(x: Inputs, dtype: torch.dtype) -> Inputs:
    return {k: v.to(dtype) if v.is_floating_point() else v for k, v in x.items()}


@pytest.mark.parametrize("name", WITH_DENSE)
def test_dense_columns_of_any_type_are_taken(name):
    make, inputs, call = CASES[name]
    quarters = {k: (4 * v).ceil() / 4 if v.is_floating_point() else v for k, v in inputs(4).items()}
    for dtype in (torch.float64, torch.float16):
        model = make().to(dtype).eval()
        expected, *others = ([*parts(call(model, in_type(quarters, t)))] for t in TYPES)
        for found in others:
            assert all(map(torch.equal, found, expected))


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("values", [torch.int8, torch.int64, torch.bool])
def test_whole_numbers_become_floats_of_the_model(dtype, values):
    age = DenseFeature("age")
    layer = EmbeddingLayer([age]).to(dtype)  # no table tells its type
    found = layer({"age": torch.tensor([1, 0], dtype=values)}, [age], squeeze_dim=True)
    assert found.dtype == dtype
    assert found.tolist() == [[1.0], [0.0]]


def test_a_double_model_keeps_the_digits_of_a_double_column():
    age, third = DenseFeature("age"), torch.tensor([1 / 3], dtype=torch.float64)
    layer = EmbeddingLayer([age, SparseFeature("user", 3, 2)]).double()
    assert layer({"age": third}, [age], squeeze_dim=True).item() == 1 / 3
    assert layer.float()({"age": third}, [age], squeeze_dim=True).dtype == torch.float32


def test_models_made_in_double_are_double():
    torch.set_default_dtype(torch.float64)
    try:
        third = torch.full((5, 2), 1 / 3, dtype=torch.float64)
        item = SparseFeature("item", 5, 2, initializer=Pretrained(third))
        assert EmbeddingLayer([item]).table("item")[0, 0].item() == 1 / 3
        for name in ("HLLMModel", "DeepFM", "LightGCN"):
            make, inputs, call = CASES[name]
            assert {p.dtype for p in parts(call(make(), inputs(4)))} == {torch.float64}
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_vectors_of_length_0_and_large_ones_have_a_direction_or_none(dtype):
    x = torch.tensor([[0.0, 0.0], [3e4, 4e4], [3e-3, 4e-3]], dtype=dtype, requires_grad=True)
    found = unit_length(x)
    found.sum().backward()
    expected = torch.tensor([[0, 0], [0.6, 0.8], [0.6, 0.8]], dtype=torch.float64)
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=0.01)
    assert x.grad.isfinite().all()
    assert found.dtype == dtype


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_padding_has_finite_scores(dtype):
    model = HLLMModel(torch.randn(9, 4), 9, 4, 2, 1, 5).to(dtype).eval()
    assert model(torch.tensor([[0, 0, 3], [0, 0, 0]])).isfinite().all()
    scores = leave_out(torch.zeros(2, dtype=dtype), torch.tensor([True, False]))
    assert scores.softmax(0).tolist() == [0.0, 1.0]


def test_long_capsules_keep_their_direction_in_half():
    capsules = CapsuleNetwork(4, 300, bilinear_type=0, interest_num=1)
    steps, mask = 8 * torch.ones(1, 300, 4), torch.ones(1, 300, dtype=torch.bool)
    expected = capsules(steps, mask)
    found = capsules.half()(steps.half(), mask).float()
    torch.testing.assert_close(found, expected, rtol=0.01, atol=0)


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_a_softmax_loss_is_exact_to_the_digits_of_double(dtype):
    h, v = torch.randn(6, 4).to(dtype).requires_grad_(), torch.randn(9, 4).to(dtype)
    target, weight = torch.randint(0, 9, (6,)), torch.rand(6)
    found = softmax_loss(h, v, target, weight=weight)
    each = torch.nn.functional.cross_entropy(h.double() @ v.double().T, target, reduction="none")
    right = (each * weight.double()).sum() / weight.double().sum()
    assert found.item() == pytest.approx(right.item(), rel=1e-6 if dtype != torch.float64 else 1e-7)
    (expected,) = torch.autograd.grad(right, h)
    found.backward()
    assert h.grad.dtype == dtype
    torch.testing.assert_close(h.grad, expected, rtol=0.01, atol=1e-3)
