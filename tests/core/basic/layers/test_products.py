"""Products of pairs of fields against loops over their formulas."""

import pytest
import torch

from torch_rechub.basic.layers import (
    FFM,
    BilinearFusion,
    BiLinearInteractionLayer,
    OuterProduct,
    PairProducts,
)


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


@pytest.mark.parametrize("heads", [1, 2])
def test_bilinear_fusion_is_its_formula(heads):
    layer = BilinearFusion(4, 6, heads)
    o_1, o_2 = torch.randn(3, 4), torch.randn(3, 6)
    (w,), (b,) = layer.linear.weight.tolist(), layer.linear.bias.tolist()
    for row, y in enumerate(layer(o_1, o_2).squeeze(1).tolist()):
        first, second = o_1[row].tolist(), o_2[row].tolist()
        expected = b + sum(p * q for p, q in zip(w, first + second))
        i_size, j_size = 4 // heads, 6 // heads
        for h in range(heads):
            for i in range(i_size):
                for j in range(j_size):
                    product = first[h * i_size + i] * second[h * j_size + j]
                    expected += product * layer.w[h, i, j].item()
        assert y == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("sizes", "heads"), [((4, 6), 3), ((4, 6), 4)])
def test_vectors_that_heads_do_not_divide_are_refused(sizes, heads):
    with pytest.raises(ValueError, match=rf"4 and 6 numbers have no {heads} equal parts"):
        BilinearFusion(*sizes, heads)
