"""RQVAEModel: its formula, negative values, and ids that go to the right items."""

import pytest
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader

from torch_rechub.models.generative import RQVAEModel

SIZES = {"in_dim": 6, "num_emb_list": [8, 8], "e_dim": 3, "layers": [5, 4]}


@pytest.fixture
def make(randomized):
    return lambda **kwargs: randomized(RQVAEModel(**{**SIZES, **kwargs})).eval()


def naive_network(network, x):
    """Linear layers, a ReLU between them."""
    linear = [layer for layer in network if isinstance(layer, torch.nn.Linear)]
    for i, layer in enumerate(linear):
        rows = [
            [
                sum(w * v for w, v in zip(weights, row)) + bias
                for weights, bias in zip(layer.weight.tolist(), layer.bias.tolist())
            ]
            for row in x
        ]
        x = [[max(0.0, v) for v in row] for row in rows] if i < len(linear) - 1 else rows
    return x


@pytest.mark.parametrize("n", [1, 5])
def test_it_is_its_formula(make, n):
    model, x = make(), torch.randn(n, 6)
    out, quant_loss, codes = model(x)
    z = torch.tensor(naive_network(model.encoder, x.tolist()))
    z_q, expected_loss, expected_codes = model.rq(z)
    torch.testing.assert_close(out, torch.tensor(naive_network(model.decoder, z_q.tolist())))
    torch.testing.assert_close(quant_loss, expected_loss)
    assert codes.equal(expected_codes)
    assert codes.shape == (n, 2)
    assert model.get_indices(x).equal(codes)


@pytest.mark.parametrize(("loss_type", "of"), [("mse", F.mse_loss), ("l1", F.l1_loss)])
def test_the_loss_is_the_weighted_sum(make, loss_type, of):
    model, x = make(loss_type=loss_type, quant_loss_weight=2.0), torch.randn(5, 6)
    out, quant_loss, _ = model(x)
    loss, reconstruction = model.compute_loss(out, quant_loss, x)
    torch.testing.assert_close(reconstruction, of(out, x))
    torch.testing.assert_close(loss, of(out, x) + 2 * quant_loss)
    with pytest.raises(ValueError, match="needs xs"):
        model.compute_loss(out, quant_loss)


def test_latent_vectors_and_reconstructions_have_any_sign(make):
    model, x = make(bn=True), torch.randn(50, 6)
    for values in (model.encode(x), model(x)[0]):
        assert (values < 0).any()
        assert (values > 0).any()


@pytest.mark.parametrize("bn", [False, True])
def test_hidden_layers_are_normalized_when_asked_to(bn):
    kinds = [type(m).__name__ for m in RQVAEModel(**SIZES, bn=bn, dropout_prob=0.5).encoder]
    hidden = ["Linear", *["BatchNorm1d"] * bn, "ReLU", "Dropout"]
    assert kinds == [*hidden, *hidden, "Linear"]


def test_defaults_are_those_of_the_paper():
    model = RQVAEModel(in_dim=20)
    widths = [m.out_features for m in model.encoder if hasattr(m, "out_features")]
    assert widths == [512, 256, 128, 64]
    assert [level.n_e for level in model.rq.vq_layers] == [256, 256, 256]
    assert model.rq.get_codebook().shape == (3, 256, 64)


def test_sinkhorn_is_used_where_it_is_asked_for(make):
    model = make(sk_epsilons=[0.0, 0.01])
    x = torch.randn(1, 6) + 0.001 * torch.randn(64, 6)  # all alike
    assert len(model.get_indices(x).unique(dim=0)) == 1
    assert len(model.get_indices(x, use_sk=True).unique(dim=0)) > 4
    assert model(x, use_sk=False)[2].equal(model.get_indices(x))
    assert model(x)[2].equal(model.get_indices(x, use_sk=True))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"loss_type": "l2"}, "loss_type must be 'mse' or 'l1', got 'l2'"),
        ({"sk_epsilons": [0.0]}, "each of the 2 codebooks"),
        ({"num_emb_list": []}, "each of the 0 codebooks"),
    ],
)
def test_impossible_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        RQVAEModel(**{**SIZES, **arguments})


def test_embeddings_of_another_width_are_named(make):
    with pytest.raises(ValueError, match=r"\(batch, 6\), as in_dim says, got \(2, 7\)"):
        make()(torch.randn(2, 7))


def test_a_checkpoint_of_0_9_is_refused_with_the_reason(make):
    state = {"encoder.mlp.0.weight": torch.ones(5, 6), "encoder.mlp.5.weight": torch.ones(4)}
    with pytest.raises(RuntimeError, match=r"torch-rechub 0\.x.*ended in a ReLU.*trained anew"):
        make().load_state_dict(state)


# Semantic ids


def test_ids_go_to_the_rows_they_are_of_even_where_the_loader_shuffles(make):
    model, data = make(num_emb_list=[64, 64]), torch.randn(30, 6)
    codes = model.get_indices(data)
    for shuffle in (False, True):
        loader = DataLoader(data, batch_size=7, shuffle=shuffle)
        ids = model.generate_semantic_ids(data, loader, device="cpu")
        assert list(ids) == list(range(30))
        for i, (first, last) in enumerate(codes.tolist()):
            assert ids[i][0] == f"<a_{first}>"
            if codes.eq(codes[i]).all(dim=1).sum() == 1:
                family = codes[codes[:, 0] == first]
                if len(family.unique(dim=0)) == len(family):
                    assert ids[i] == [f"<a_{first}>", f"<b_{last}>"]


def test_no_two_items_have_the_same_id_and_every_number_is_whole(make):
    for sizes, items in (([2, 300], 300), ([2, 4], 100)):
        model = make(num_emb_list=sizes)
        data = 0.01 * torch.randn(items, 6)  # alike: nearest codes collide
        assert len(model.get_indices(data).unique(dim=0)) < items
        ids = model.generate_semantic_ids(data, DataLoader(data, 32), device="cpu")
        assert len({tuple(tokens) for tokens in ids.values()}) == items
        if sizes == [2, 300]:  # enough codes: no additional token, three digits
            assert {len(tokens) for tokens in ids.values()} == {2}
            assert any(len(tokens[1]) == len("<b_255>") for tokens in ids.values())
        else:
            assert {len(tokens) for tokens in ids.values()} == {3}
            assert ids[0][2].startswith("<c_")


def test_ids_are_computed_in_evaluation_and_leave_the_mode_alone(make):
    data = torch.randn(9, 6)
    for training in (True, False):
        model = make(dropout_prob=0.5, bn=True).train(training)
        before = {k: v.clone() for k, v in model.state_dict().items()}
        loader = DataLoader(data, batch_size=8)  # a last batch of one row
        first, second = (model.generate_semantic_ids(data, loader) for _ in range(2))
        assert first == second
        assert model.training == training
        assert all(v.equal(before[k]) for k, v in model.state_dict().items())


def test_the_form_of_tokens_is_the_callers(make):
    model, data = make(), torch.randn(3, 6)
    loader = DataLoader(data, 2)
    ids = model.generate_semantic_ids(data, loader, prefix=["[{}", "]{}"])
    assert all(a[0] == "[" and b[0] == "]" for a, b in ids.values())


@pytest.mark.parametrize(
    ("sizes", "prefix", "firsts"),
    [
        ([2, 2, 2], ["<a_{}>", "<b_{}>", "<c_{}>"], ["<a_", "<b_", "<c_", "<d_"]),
        ([2, 2, 2], ["<a_{}>"], ["<a_", "<b_", "<c_", "<d_"]),
        ([2, 2], ("l1:{} ", "l2:{} "), ["l1:", "l2:", "l3:"]),
        ([2] * 5, None, ["<a_", "<b_", "<c_", "<d_", "<e_", "<f_"]),
    ],
)
def test_tokens_beyond_the_forms_given_get_forms_that_continue_them(sizes, prefix, firsts):
    torch.manual_seed(1)
    model = RQVAEModel(6, num_emb_list=sizes, e_dim=4, layers=[5])
    data = torch.randn(1, 6).repeat(2 ** len(sizes) + 5, 1)  # more items than there are codes
    given = {} if prefix is None else {"prefix": prefix}
    ids = model.generate_semantic_ids(data, DataLoader(data, 8), **given)
    assert len({tuple(tokens) for tokens in ids.values()}) == len(data)
    for tokens in ids.values():
        assert len(tokens) == len(firsts)
        assert all(token.startswith(first) for token, first in zip(tokens, firsts))


@pytest.mark.parametrize("prefix", [[], None, "<a_{}>", ["a", "b"], ["<{}_{}>"], ["<{x}>"], [3]])
def test_forms_without_a_place_for_the_code_are_refused(prefix, make):
    data = torch.randn(3, 6)
    with pytest.raises(ValueError, match=r"prefix must .*such as .*'<a_\{\}>'"):
        make().generate_semantic_ids(data, DataLoader(data, 2), prefix=prefix)
