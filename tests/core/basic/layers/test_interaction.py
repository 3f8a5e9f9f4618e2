"""FM, CIN and cross networks against loops over their formulas."""

import pytest
import torch

from torch_rechub.basic.layers import CIN, FM, CrossLayer, CrossNetwork


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


def crossed(x_0, x_l, w, b):
    """x_0 (x_lᵀ w) + b, entry by entry."""
    dot = sum(x_l[i] * w[i] for i in range(len(w)))
    return torch.stack([x_0[i] * dot + b[i] for i in range(len(w))])


def test_a_cross_layer_is_its_formula():
    layer = CrossLayer(5)
    torch.nn.init.normal_(layer.b)
    x_0, x_i = torch.randn(3, 5), torch.randn(3, 5)
    y = layer(x_0, x_i).detach()
    for row in range(3):
        expected = crossed(x_0[row], x_i[row], layer.w.weight[0], layer.b)
        torch.testing.assert_close(y[row], expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("num_layers", [0, 1, 3])
def test_a_cross_network_adds_a_cross_to_what_it_crossed(num_layers):
    net = CrossNetwork(5, num_layers)
    for b in net.b:
        torch.nn.init.normal_(b)
    x = torch.randn(3, 5)
    y = net(x)
    for row in range(3):
        x_l = x[row]
        for w, b in zip(net.w, net.b):
            x_l = crossed(x[row], x_l, w.weight[0], b) + x_l
        torch.testing.assert_close(y[row], x_l, atol=1e-5, rtol=1e-5)


def test_the_state_dict_has_the_names_of_0_9():
    shapes = {name: tuple(v.shape) for name, v in CrossNetwork(5, 2).state_dict().items()}
    assert shapes == {"w.0.weight": (1, 5), "w.1.weight": (1, 5), "b.0": (5,), "b.1": (5,)}
