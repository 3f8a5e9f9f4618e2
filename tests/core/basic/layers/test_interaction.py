"""Interactions of pairs of fields against loops over their formulas."""

import pytest
import torch

from torch_rechub.basic.layers import (
    CIN,
    FFM,
    FM,
    BiLinearInteractionLayer,
    OuterProduct,
    PairProducts,
)


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
def test_pair_products_are_those_of_all_pairs_in_order(fields):
    v = torch.randn(4, fields, 3)
    found = PairProducts(fields)(v)
    pairs = [(i, j) for i in range(fields) for j in range(i + 1, fields)]
    assert found.shape == (4, len(pairs), 3)
    for p, (i, j) in enumerate(pairs):
        assert torch.equal(found[:, p], v[:, i] * v[:, j])


def test_ffm_multiplies_the_embeddings_that_two_fields_have_for_each_other():
    v = torch.randn(4, 3, 3, 5)
    found = FFM(3, reduce_sum=False)(v)
    for p, (i, j) in enumerate([(0, 1), (0, 2), (1, 2)]):
        assert torch.equal(found[:, p], v[:, i, j] * v[:, j, i])
    torch.testing.assert_close(FFM(3)(v), found.sum(dim=2, keepdim=True))


@pytest.mark.parametrize("kind", ["field_all", "field_each", "field_interaction"])
@pytest.mark.parametrize("fields", [2, 4])
def test_a_bilinear_product_is_its_formula(kind, fields):
    layer, v = BiLinearInteractionLayer(3, fields, kind), torch.randn(2, fields, 3)
    matrices = [w.detach() for w in layer.parameters()]
    found, p = layer(v), 0
    for i in range(fields):
        for j in range(i + 1, fields):
            w = matrices[{"field_all": 0, "field_each": i, "field_interaction": p}[kind]]
            for row in range(2):
                for d in range(3):
                    product = sum(w[d, e] * v[row, i, e] for e in range(3)) * v[row, j, d]
                    torch.testing.assert_close(found[row, p, d], product, atol=1e-5, rtol=1e-5)
            p += 1
    assert found.shape[1] == p


def test_bilinear_weights_of_0_9_load():
    matrices = torch.randn(4, 3, 3)
    layer = BiLinearInteractionLayer(3, 4, "field_each")
    layer.load_state_dict({f"bilinear_layer.{i}.weight": w for i, w in enumerate(matrices)})
    assert torch.equal(torch.stack(list(layer.parameters())), matrices[:3])


def test_another_bilinear_type_is_refused():
    with pytest.raises(ValueError, match=r"bilinear_type must be 'field_all', .* got 'all'"):
        BiLinearInteractionLayer(3, 4, "all")


@pytest.mark.parametrize("fields", [1, 2, 5])
def test_fm_has_the_gradients_of_its_formula(fields):
    v = torch.randn(3, fields, 2, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: FM(reduce_sum=False)(x).sin(), v)
    assert torch.autograd.gradgradcheck(lambda x: FM(reduce_sum=False)(x).sin(), v)


@pytest.mark.parametrize(("fields", "width"), [(1, 4), (3, 2)])
def test_the_outer_product_of_the_sum_is_the_sum_of_all_outer_products(fields, width):
    v = torch.randn(2, fields, width)
    expected = torch.zeros(2, width, width)
    for i in range(fields):
        for j in range(fields):
            for a in range(width):
                for b in range(width):
                    expected[:, a, b] += v[:, i, a] * v[:, j, b]
    torch.testing.assert_close(OuterProduct()(v), expected.flatten(1), atol=1e-5, rtol=1e-5)
