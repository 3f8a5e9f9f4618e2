"""Activations: Dice as its paper has it, and the others by name."""

import math

import pytest
import torch
from torch import nn

from torch_rechub.basic.activation import BatchNorm, Dice, activation_layer


def dice(s, alpha, mean, var, epsilon):
    """f(s) = p(s) s + (1 − p(s)) α s with p(s) = σ((s − E[s]) / √(Var[s] + ε))."""
    p = 1 / (1 + math.exp(-(s - mean) / math.sqrt(var + epsilon)))
    return p * s + (1 - p) * alpha * s


@pytest.mark.parametrize("num_features", [3, None])
def test_dice_in_training_uses_the_statistics_of_each_neuron_over_the_batch(num_features):
    # in 0.9: the statistics were those of the features of one sample
    layer = Dice(epsilon=0.01, num_features=num_features)
    nn.init.constant_(layer.alpha, 0.3)
    x = torch.tensor([[1.0, -20.0, 0.5], [2.0, 10.0, 0.5], [6.0, 40.0, -0.25], [0.0, 5.0, 3.0]])
    y = layer(x)
    for neuron in range(3):
        values = x[:, neuron].tolist()
        mean = sum(values) / len(values)
        var = sum((v - mean) ** 2 for v in values) / len(values)
        for row, value in enumerate(values):
            assert y[row, neuron].item() == pytest.approx(dice(value, 0.3, mean, var, 0.01), 1e-5)


@pytest.mark.parametrize("num_features", [2, None])
def test_dice_in_evaluation_uses_running_statistics(num_features):
    layer = Dice(epsilon=0.01, num_features=num_features)
    x = torch.tensor([[1.0, -20.0], [3.0, 20.0]])
    layer(x)  # momentum 0.1, from mean 0 and variance 1; the variance taken in is the unbiased one
    nn.init.constant_(layer.alpha, -0.5)
    layer.eval()
    mean, var = [0.1 * 2.0, 0.0], [0.9 + 0.1 * 2.0, 0.9 + 0.1 * 800.0]
    y = layer(x)
    for row in range(2):
        for neuron in range(2):
            expected = dice(x[row, neuron].item(), -0.5, mean[neuron], var[neuron], 0.01)
            assert y[row, neuron].item() == pytest.approx(expected, 1e-5)


def test_dice_has_one_alpha_a_neuron_starting_at_0():
    layer = Dice(num_features=4)
    assert layer.alpha.tolist() == [0.0] * 4
    assert [name for name, _ in layer.named_parameters()] == ["alpha"]
    layer(torch.randn(8, 4)).sum().backward()
    assert layer.alpha.grad.unique().numel() == 4


def test_dice_takes_sequences():
    layer = Dice(num_features=4)
    x = torch.randn(3, 5, 4)
    assert torch.allclose(layer(x), Dice(num_features=4)(x.reshape(15, 4)).reshape(3, 5, 4))


@pytest.mark.parametrize("num_features", [4, None])
def test_dice_takes_a_training_batch_of_one_row(num_features):
    assert torch.isfinite(Dice(num_features=num_features)(torch.randn(1, 4))).all()


def test_batch_norm_of_several_rows_is_torchs():
    ours, torchs = BatchNorm(3), nn.BatchNorm1d(3)
    x = torch.randn(5, 3)
    assert torch.equal(ours(x), torchs(x))
    assert torch.equal(ours.eval()(x), torchs.eval()(x))
    assert list(ours.state_dict()) == list(torchs.state_dict())


@pytest.mark.parametrize("rows", [0, 1])
def test_batch_norm_of_no_two_training_rows_keeps_the_running_statistics_and_uses_them(rows):
    norm = BatchNorm(3)
    norm(torch.randn(50, 3) * 4 + 2)
    before = {name: value.clone() for name, value in norm.state_dict().items()}
    x = torch.randn(rows, 3)
    trained = norm(x)
    assert torch.equal(trained, norm.eval()(x))
    assert all(torch.equal(before[name], value) for name, value in norm.state_dict().items())


def test_a_checkpoint_of_0_9_is_refused_with_the_reason_and_the_way_out():
    mlp = nn.Sequential(nn.Linear(3, 4), Dice(num_features=4))
    model = nn.ModuleDict({"table": nn.Embedding(5, 3), "mlp": mlp})
    old = {name: value for name, value in model.state_dict().items() if "norm" not in name}
    old["mlp.1.alpha"] = torch.zeros(1)
    with pytest.raises(RuntimeError, match=r"mlp\.1\.alpha: this checkpoint is of torch-rechub 0"):
        model.load_state_dict(old)
    kept = {name: value for name, value in old.items() if not name.startswith("mlp.")}
    model.load_state_dict(kept, strict=False)
    model.load_state_dict(model.state_dict())


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("sigmoid", torch.sigmoid),
        ("relu", torch.relu),
        ("prelu", lambda x: torch.where(x > 0, x, 0.25 * x)),
        ("softmax", lambda x: x.exp() / x.exp().sum(dim=1, keepdim=True)),
        ("leakyrelu", lambda x: torch.where(x > 0, x, 0.01 * x)),
        ("gelu", lambda x: x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))),
        ("silu", lambda x: x * torch.sigmoid(x)),
        ("tanh", torch.tanh),
    ],
)
def test_activations_by_name_in_any_case(name, function):
    x = torch.randn(6, 4)
    for spelled in (name, name.upper(), name.capitalize()):
        assert torch.allclose(activation_layer(spelled)(x), function(x), atol=1e-6)


def test_dice_by_name_is_sized():
    assert activation_layer("Dice", num_features=5).alpha.shape == (5,)


def test_a_class_is_made_and_an_instance_taken():
    assert isinstance(activation_layer(nn.Hardtanh), nn.Hardtanh)
    instance = nn.ELU(0.5)
    assert activation_layer(instance) is instance


@pytest.mark.parametrize("unknown", ["swoosh", "", None, 3, int])
def test_what_is_no_activation_is_refused_with_the_choice(unknown):
    # in 0.9: an unknown name left a variable unset
    with pytest.raises(
        ValueError, match=r"unknown activation .*sigmoid.*dice, or a torch"
    ) as error:
        activation_layer(unknown)
    assert repr(unknown) in str(error.value)
