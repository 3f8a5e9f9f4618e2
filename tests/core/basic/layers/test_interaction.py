"""Interactions of all fields against loops over their formulas."""

import pytest
import torch

from torch_rechub.basic.layers import CIN, FM


@pytest.mark.parametrize(("fields", "width"), [(1, 4), (2, 1), (5, 3)])
def test_fm_is_the_sum_over_pairs_of_fields(fields, width):
    v = torch.randn(4, fields, width)
    expected = torch.zeros(4, width)
    for i in range(fields):
        for j in range(i + 1, fields):
            expected += v[:, i] * v[:, j]
    torch.testing.assert_close(FM(reduce_sum=False)(v), expected, atol=1e-5, rtol=1e-5)
    summed = torch.stack([row.sum() for row in expected]).unsqueeze(1)
    torch.testing.assert_close(FM()(v), summed, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("split_half", [True, False])
@pytest.mark.parametrize("sizes", [[3], [5, 3], [4, 2, 3]])
def test_cin_is_its_formula_with_odd_sizes_too(split_half, sizes):
    cin, x = CIN(4, sizes, split_half), torch.randn(2, 4, 6)
    for row in range(2):
        x_k, sums = list(x[row]), []
        for layer, conv in enumerate(cin.conv_layers):
            weight = conv.weight.squeeze(2)
            pairs = [field * other for field in x[row] for other in x_k]
            maps = []
            for h in range(sizes[layer]):
                total = conv.bias[h] + sum(weight[h, n] * pair for n, pair in enumerate(pairs))
                maps.append(total.clamp(min=0))
            halved = split_half and layer < len(sizes) - 1
            kept = (len(maps) + 1) // 2 if halved else len(maps)
            sums += [m.sum() for m in maps[:kept]]
            x_k = maps[kept:] if halved else maps
        torch.testing.assert_close(cin(x)[row], cin.fc(torch.stack(sums)), atol=1e-5, rtol=1e-5)


def test_cin_has_the_state_dict_of_0_9():
    shapes = {name: tuple(v.shape) for name, v in CIN(4, [6, 4]).state_dict().items()}
    assert shapes == {
        "conv_layers.0.weight": (6, 16, 1),
        "conv_layers.0.bias": (6,),
        "conv_layers.1.weight": (4, 12, 1),
        "conv_layers.1.bias": (4,),
        "fc.weight": (1, 7),
        "fc.bias": (1,),
    }


@pytest.mark.parametrize(("sizes", "split_half"), [([], True), ([1, 3], True), ([3, 0], False)])
def test_cin_layers_need_maps(sizes, split_half):
    with pytest.raises(ValueError, match="cin_size needs"):
        CIN(4, sizes, split_half)


@pytest.mark.parametrize("fields", [1, 2, 5])
def test_fm_has_the_gradients_of_its_formula(fields):
    v = torch.randn(3, fields, 2, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: FM(reduce_sum=False)(x).sin(), v)
    assert torch.autograd.gradgradcheck(lambda x: FM(reduce_sum=False)(x).sin(), v)
