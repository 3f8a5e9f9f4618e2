"""Poolings and masks against loops."""

import pytest
import torch

from torch_rechub.basic.features import SequenceFeature
from torch_rechub.basic.layers import AveragePooling, ConcatPooling, InputMask, SumPooling

MASK = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]]).unsqueeze(1)


def test_sum_and_mean_take_what_the_mask_lets_through():
    x = torch.randn(2, 3, 4)
    summed, mean = SumPooling()(x, MASK), AveragePooling()(x, MASK)
    for row in range(2):
        kept = [x[row, i] for i in range(3) if MASK[row, 0, i] == 1]
        total = sum(kept, torch.zeros(4))
        torch.testing.assert_close(summed[row], total)
        torch.testing.assert_close(mean[row], total / max(len(kept), 1))


@pytest.mark.parametrize("dtype", [torch.bool, torch.int64, torch.float64])
def test_masks_of_any_type(dtype):
    x = torch.randn(2, 3, 4)
    for pooling in (SumPooling(), AveragePooling()):
        assert torch.equal(pooling(x, MASK.to(dtype)), pooling(x, MASK))


def test_without_a_mask_all_positions_count():
    x = torch.randn(2, 3, 4)
    torch.testing.assert_close(SumPooling()(x), x[:, 0] + x[:, 1] + x[:, 2])
    torch.testing.assert_close(AveragePooling()(x), (x[:, 0] + x[:, 1] + x[:, 2]) / 3)


def test_concat_keeps_the_sequence():
    x = torch.randn(2, 3, 4)
    assert torch.equal(ConcatPooling()(x, MASK), x)


def test_the_mask_of_several_features():
    x = {"a": torch.tensor([[0, 2], [3, 0]]), "b": torch.tensor([[5.0, 0.0], [5.0, 1.0]])}
    a, b = SequenceFeature("a", 6), SequenceFeature("b", 6, padding_idx=5)
    mask = InputMask()(x, [a, b])
    assert mask.dtype == torch.float32
    assert mask.tolist() == [[[0, 1], [0, 1]], [[1, 0], [0, 1]]]
    assert InputMask()(x, a).tolist() == [[[0, 1]], [[1, 0]]]


def test_a_mask_needs_the_column():
    with pytest.raises(KeyError, match="no column 'a'"):
        InputMask()({}, SequenceFeature("a", 6))
