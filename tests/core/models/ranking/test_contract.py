"""What holds for every ranking model, whatever its formula."""

import copy
import pickle

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch.nn import functional as F

from torch_rechub.basic.features import DenseFeature, SequenceFeature, SparseFeature
from torch_rechub.models import ranking
from torch_rechub.trainers import CTRTrainer
from torch_rechub.utils.data import DataGenerator

FIELDS = [SparseFeature("user", 20, 4), SparseFeature("item", 12, 4), SequenceFeature("h", 12, 4)]
INPUTS = [*FIELDS, DenseFeature("age"), DenseFeature("pair", 2)]
PARAMS = {"dims": [16, 8], "dropout": 0.0, "activation": "relu"}

# A new model joins by a line here: how it is made from INPUTS.
MODELS = {
    "DCN": lambda: ranking.DCN(INPUTS, 2, PARAMS),
    "DeepFM": lambda: ranking.DeepFM(INPUTS, [*FIELDS, DenseFeature("age")], PARAMS),
    "WideDeep": lambda: ranking.WideDeep([DenseFeature("age"), *FIELDS], INPUTS, PARAMS),
}


def inputs(n, length=3):
    history = torch.randint(0, 12, (n, length))
    history[0] = 0
    return {
        "user": torch.randint(0, 20, (n,)),
        "item": torch.randint(0, 12, (n,)),
        "h": history,
        "age": torch.randn(n),
        "pair": torch.randn(n, 2),
    }


def test_every_model_is_tested():
    assert sorted(MODELS) == sorted(ranking.__all__)


@pytest.fixture(params=MODELS)
def make(request):
    return MODELS[request.param]


@pytest.fixture
def model(make, randomized):
    return randomized(make())


def test_predictions_are_one_probability_a_row(model):
    x = inputs(9)
    for batch in (x, {name: column[:1] for name, column in x.items()}):
        for mode in (model.train(), model.eval()):
            p = mode(batch)
            assert p.shape == (len(batch["user"]),)
            assert ((p > 0) & (p < 1)).all()
    torch.testing.assert_close(model(x), 1 / (1 + torch.exp(-model.logits(x))))


def test_a_row_is_predicted_the_same_alone_and_in_a_batch(model):
    x = inputs(6)
    whole = model.eval()(x)
    alone = [model({name: column[i : i + 1] for name, column in x.items()}) for i in range(6)]
    torch.testing.assert_close(torch.cat(alone), whole)


def test_a_gradient_reaches_every_weight(model):
    # in evaluation, as batch normalisation takes any effect from the bias before it
    F.binary_cross_entropy(model.eval()(inputs(60)), torch.ones(60)).backward()
    without = [n for n, p in model.named_parameters() if p.grad is None or (p.grad == 0).all()]
    assert without == []


def test_padding_says_nothing(model):
    model.eval()
    x = inputs(5)
    for left, right in ((0, 3), (2, 0)):
        padded = {**x, "h": F.pad(x["h"], (left, right))}
        torch.testing.assert_close(model(padded), model(x))


def test_every_input_counts(model):
    model.eval()
    x = inputs(8)
    before = model(x)
    for name, column in x.items():
        changed = column + 1.0 if column.is_floating_point() else (column + 1) % 12
        assert (model({**x, name: changed}) != before).any(), name


def test_a_seed_gives_the_same_model(make):
    states = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        states.append(make().state_dict())
    same = [all(torch.equal(states[0][k], s[k]) for k in s) for s in states]
    assert same == [True, True, False]


def test_weights_survive_a_file(model, make, tmp_path):
    x = inputs(5)
    torch.save(model.state_dict(), tmp_path / "w.pth")
    other = make().eval()
    assert not torch.equal(other(x), model.eval()(x))
    other.load_state_dict(torch.load(tmp_path / "w.pth", weights_only=True))
    assert torch.equal(other(x), model(x))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])  # noqa: S301
def test_a_copy_predicts_the_same_and_is_independent(model, copied):
    x = inputs(5)
    before = model.eval()(x)
    twin = copied(model)
    assert torch.equal(twin(x), before)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    assert torch.equal(model(x), before)


def test_two_models_of_the_same_features_share_no_weights(make):
    first, second = make(), make()
    storages = {p.untyped_storage().data_ptr() for p in first.parameters()}
    assert storages.isdisjoint(p.untyped_storage().data_ptr() for p in second.parameters())


def test_arguments_are_left_as_they_were(make):
    make()
    assert PARAMS == {"dims": [16, 8], "dropout": 0.0, "activation": "relu"}
    assert [f.embed_dim for f in INPUTS] == [4, 4, 4, 1, 2]


@pytest.mark.parametrize("given", [True, False])
def test_an_output_layer_among_the_parameters_changes_nothing(make, given, monkeypatch):
    expected = {name: value.shape for name, value in make().state_dict().items()}
    monkeypatch.setitem(PARAMS, "output_layer", given)
    assert {name: value.shape for name, value in make().state_dict().items()} == expected


def test_it_learns_what_decides_the_click(make, tmp_path):
    rng = np.random.default_rng(0)
    x = {name: column.numpy() for name, column in inputs(3000).items()}
    likes = np.outer(rng.choice([-1, 1], 20), rng.choice([-1, 1], 12)) * 2.5 + 0.5
    p = 1 / (1 + np.exp(-likes[x["user"], x["item"]]))  # an interaction: no input tells alone
    y = (rng.random(3000) < p).astype(np.float32)
    train, val, test = DataGenerator(x, y).generate_dataloader(
        split_ratio=[0.7, 0.1], batch_size=100
    )
    trainer = CTRTrainer(
        make(), optimizer_params={"lr": 0.02}, n_epoch=12, model_path=tmp_path, progress=False
    )
    trainer.fit(train, val)
    found = trainer.evaluate(trainer.model, test)
    rows = test.dataset.indices
    best = roc_auc_score(y[rows], p[rows])
    assert best > 0.85
    assert found > 0.5 + 0.85 * (best - 0.5)


@pytest.mark.parametrize("kind", ["fullgraph", "trained"])
def test_a_compiled_model_computes_the_same(kind, randomized):
    plain = randomized(MODELS["DeepFM"]()).train(kind == "trained")
    compiled = torch.compile(copy.deepcopy(plain), backend="eager", fullgraph=True)
    x = inputs(7)
    torch.testing.assert_close(compiled(x), plain(x))
    if kind == "trained":
        compiled(x).sum().backward()
        plain(x).sum().backward()
        for name, parameter in plain.named_parameters():
            torch.testing.assert_close(
                compiled.get_parameter(f"_orig_mod.{name}").grad, parameter.grad
            )
