"""The perceptron: its structure, its names in a state dict, its output by hand."""

import pytest
import torch
from torch import nn

from torch_rechub.basic.activation import Dice
from torch_rechub.basic.layers import MLP, PredictionLayer


def test_each_hidden_layer_is_linear_norm_activation_dropout():
    mlp = MLP(8, dims=[5, 3], dropout=0.3, activation="leakyrelu")
    kinds = [nn.Linear, nn.BatchNorm1d, nn.LeakyReLU, nn.Dropout] * 2 + [nn.Linear]
    assert len(mlp.mlp) == len(kinds)
    assert all(isinstance(layer, kind) for layer, kind in zip(mlp.mlp, kinds))
    sizes = [(layer.in_features, layer.out_features) for layer in mlp.mlp[::4]]
    assert sizes == [(8, 5), (5, 3), (3, 1)]
    assert [layer.p for layer in mlp.mlp[3::4]] == [0.3, 0.3]
    assert mlp.output_dim == 1


def test_the_state_dict_has_the_names_of_0_9():
    norm = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    assert list(MLP(8, dims=[5]).state_dict()) == [
        "mlp.0.weight",
        "mlp.0.bias",
        *(f"mlp.1.{name}" for name in norm),
        "mlp.4.weight",
        "mlp.4.bias",
    ]


def test_the_output_is_that_of_the_formula():
    mlp = MLP(4, dims=[3], activation="relu").eval()
    with torch.no_grad():
        for name, value in mlp.state_dict().items():
            if value.is_floating_point():
                value.uniform_(0.5, 1.5) if "running_var" in name else value.normal_()
    s = mlp.state_dict()
    x = torch.randn(6, 4)
    for row in range(6):
        y = float(s["mlp.4.bias"])
        for j in range(3):
            h = float(s["mlp.0.bias"][j]) + sum(
                float(s["mlp.0.weight"][j, i] * x[row, i]) for i in range(4)
            )
            h = (h - float(s["mlp.1.running_mean"][j])) / (
                float(s["mlp.1.running_var"][j]) + 1e-5
            ) ** 0.5
            h = h * float(s["mlp.1.weight"][j]) + float(s["mlp.1.bias"][j])
            y += max(h, 0.0) * float(s["mlp.4.weight"][0, j])
        assert mlp(x)[row].item() == pytest.approx(y, abs=1e-5)


def test_without_an_output_layer_it_ends_in_the_last_hidden_one():
    mlp = MLP(8, False, [5, 3])
    assert mlp(torch.randn(4, 8)).shape == (4, 3)
    assert mlp.output_dim == 3
    assert len(mlp.mlp) == 8


@pytest.mark.parametrize("dims", [None, []])
def test_without_hidden_layers(dims):
    assert MLP(8, dims=dims)(torch.ones(2, 8)).shape == (2, 1)
    x = torch.ones(2, 8)
    assert torch.equal(MLP(8, output_layer=False, dims=dims)(x), x)


def test_dice_gets_an_alpha_for_each_neuron():
    dice = [m for m in MLP(8, dims=[5, 3], activation="dice").modules() if isinstance(m, Dice)]
    assert [len(d.alpha) for d in dice] == [5, 3]


@pytest.mark.parametrize("activation", ["relu", "dice", "prelu"])
def test_a_training_batch_of_one_row(activation):
    y = MLP(8, dims=[5, 3], dropout=0.1, activation=activation)(torch.randn(1, 8))
    assert y.shape == (1, 1)
    assert torch.isfinite(y).all()
    y.backward()


def test_dropout_is_for_training():
    mlp = MLP(50, dims=[200], dropout=0.5, output_layer=False)
    x = torch.randn(20, 50)
    share = (mlp(x) == 0).float().mean().item()
    assert 0.7 < share < 0.8  # half of them by relu, half of the rest by dropout
    assert torch.equal(mlp.eval()(x), mlp(x))


def test_predictions():
    x = torch.tensor([-2.0, 0.0, 3.0])
    assert torch.allclose(PredictionLayer()(x), 1 / (1 + (-x).exp()))
    assert torch.equal(PredictionLayer("regression")(x), x)
    with pytest.raises(ValueError, match="'classification' or 'regression', got 'rank'"):
        PredictionLayer("rank")
