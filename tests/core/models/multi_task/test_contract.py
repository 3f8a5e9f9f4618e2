"""The properties of every multi-task model."""

import pytest
import torch
from torch.nn import functional as F

from core.stop_once import StopOnce
from torch_rechub.basic.features import DenseFeature, SequenceFeature, SparseFeature
from torch_rechub.models import multi_task
from torch_rechub.testing import ModelContract
from torch_rechub.trainers import MTLTrainer
from torch_rechub.utils.data import DataGenerator

# of different widths and kinds
USER = [SparseFeature("user", 20, 4), SequenceFeature("h", 12, 3), DenseFeature("age")]
ITEM = [SparseFeature("item", 12, 5), DenseFeature("pair", 2)]
INPUTS = [*USER, *ITEM]
# leaky, so that no neuron is dead and every weight has a gradient
PARAMS = {"dims": [8, 6], "dropout": 0.0, "activation": "leakyrelu", "output_layer": False}
TOWERS = [
    {"dims": [4], "activation": "leakyrelu", "output_layer": True},
    {"dims": []},
    {"dims": [3, 2], "activation": "leakyrelu"},
]
MIXED = ["classification", "regression", "classification"]

# A new model joins by a line here: how it is made from INPUTS, for T tasks.
MODELS = {
    "SharedBottom": lambda t: multi_task.SharedBottom(INPUTS, MIXED[:t], PARAMS, TOWERS[:t]),
    "MMOE": lambda t: multi_task.MMOE(INPUTS, MIXED[:t], 3, PARAMS, TOWERS[:t]),
    "PLE": lambda t: multi_task.PLE(INPUTS, MIXED[:t], 2, 2, 1, PARAMS, TOWERS[:t]),
    "AITM": lambda t: multi_task.AITM(INPUTS, t, PARAMS, TOWERS[:t]),
    "PEPNet": lambda t: multi_task.PEPNet(INPUTS, USER[:1], ITEM, MIXED[:t], TOWERS[:t]),
    "ESMM": lambda t: multi_task.ESMM(USER, ITEM, PARAMS, TOWERS[0]),
    "ESCM2": lambda t: multi_task.ESCM2(USER, ITEM, PARAMS, TOWERS[0]),
    "ESCM2, DR": lambda t: multi_task.ESCM2(USER, ITEM, PARAMS, TOWERS[0], PARAMS),
}


def inputs(n):
    history = torch.randint(0, 12, (n, 3))
    history[0] = 0
    return {
        "user": torch.randint(0, 20, (n,)),
        "item": torch.randint(0, 12, (n,)),
        "h": history,
        "age": torch.randn(n),
        "pair": torch.randn(n, 2),
    }


def test_every_model_is_tested():
    assert {name.split(",")[0] for name in MODELS} == set(multi_task.__all__)


def everything(model, x):
    """A scalar that all of a model's outputs enter, its auxiliary loss among them."""
    p = model(x)
    y = torch.randint(0, 2, p.shape, device=p.device).float()
    auxiliary = getattr(model, "auxiliary_loss", None)
    return (p**2).sum() + (0 if auxiliary is None else auxiliary(x, p, y))


@pytest.fixture(params=MODELS)
def make(request):
    return MODELS[request.param]


@pytest.fixture
def model(make, randomized):
    return randomized(make(3))


@pytest.mark.parametrize("n_task", [1, 2, 3])
def test_a_prediction_for_each_row_and_task(make, n_task):
    model = make(n_task)
    types = model.task_types
    x = inputs(9)
    for batch in (x, {name: column[:1] for name, column in x.items()}):
        for mode in (model.train(), model.eval()):
            p = mode(batch)
            assert p.shape == (len(batch["user"]), len(types))
            assert torch.isfinite(p).all()
    logits = model.logits(x)
    for i, task_type in enumerate(types):
        expected = logits[:, i].sigmoid() if task_type == "classification" else logits[:, i]
        torch.testing.assert_close(model(x)[:, i], expected)


class TestEveryMultiTaskModel(ModelContract):
    sequences = ("h",)
    compiles_whole = True

    @pytest.fixture(autouse=True, params=MODELS)
    def row(self, request):
        self.name = request.param

    def make_model(self):
        return MODELS[self.name](3)

    def make_inputs(self, n):
        return inputs(n)

    def output_shapes(self, n):
        return [(n, 3)]

    def loss(self, model, x):
        return everything(model, x)


@pytest.mark.parametrize(("left", "right"), [(0, 3), (2, 0)])
def test_padding_says_nothing_in_training_either(model, left, right):
    x = inputs(6)
    longer = {**x, "h": F.pad(x["h"], (left, right))}
    model.train()
    torch.testing.assert_close(model(longer), model(x))


def test_every_task_reaches_the_shared_layers(model):
    x = inputs(200)
    shared = [p for layer in model.shared_layers() for p in layer.parameters()]
    assert shared
    for i in range(3):
        gradients = torch.autograd.grad(model.eval()(x)[:, i].sum(), shared)
        assert all((g != 0).any() for g in gradients)


def test_every_input_counts(model):
    model.eval()
    x = inputs(30)
    before = model(x)
    for name, column in x.items():
        changed = column + 1.0 if column.is_floating_point() else (column + 1) % 12
        assert (model({**x, name: changed}) != before).any(), name


def test_a_seed_trains_the_same_model(make, seed_decides, tmp_path):
    x = inputs(120)

    def train():
        model = make(3)
        data, _, _ = DataGenerator(x, planted(model, x)).generate_dataloader(
            split_ratio=[0.8, 0.2], batch_size=32
        )
        options = {"n_epoch": 1, "model_path": tmp_path, "progress": False}
        MTLTrainer(model, model.task_types, **options).fit(data)
        return model

    seed_decides(train)


def test_arguments_are_left_as_they_were(make):
    make(3)
    assert PARAMS == {
        "dims": [8, 6],
        "dropout": 0.0,
        "activation": "leakyrelu",
        "output_layer": False,
    }
    assert TOWERS[0] == {"dims": [4], "activation": "leakyrelu", "output_layer": True}


def test_an_output_layer_among_the_parameters_changes_nothing(make):
    keys = list(make(2).state_dict())
    for output_layer in (True, False):
        PARAMS["output_layer"] = TOWERS[0]["output_layer"] = output_layer
        try:
            assert list(make(2).state_dict()) == keys
        finally:
            PARAMS["output_layer"], TOWERS[0]["output_layer"] = False, True


def test_it_computes_the_same_on_another_device(model, on_device, same_on_device):
    x = inputs(7)
    same_on_device(on_device(model.eval())(on_device(x)), model(x))


def planted(model, x):
    """Labels that users and items decide, in the columns that the tasks of a model stand for."""
    click = x["user"] % 2
    buy = click * (x["item"] % 2)
    if "regression" in model.task_types:
        columns = [click, 2 * click + x["item"] % 2, buy]
    elif isinstance(model, multi_task.AITM):
        columns = [click, buy, buy * (x["item"] > 4)]
    else:  # over the entire space: conversions of clicks, clicks, conversions
        columns = [buy, click, buy]
    return torch.stack(columns, dim=1).float()


def test_it_learns_every_task(make, tmp_path, device):
    model, x = make(3), inputs(1200)
    y = planted(model, x)
    train, val, _ = DataGenerator(x, y).generate_dataloader(split_ratio=[0.75, 0.25], batch_size=50)

    def learned(scores):
        rows = zip(y.T, model.task_types, scores, strict=True)
        return [
            score < 0.2 * column.var() if task_type == "regression" else score > 0.93
            for column, task_type, score in rows
        ]

    trainer = MTLTrainer(
        model,
        model.task_types,
        optimizer_params={"lr": 0.02},
        n_epoch=12,
        earlystop_taskid=2,
        callbacks=[
            StopOnce(lambda row: all(learned([row[f"val/task_{i}_score"] for i in range(3)])))
        ],
        device=device,
        model_path=tmp_path,
        progress=False,
    )
    trainer.fit(train, val)
    assert learned(trainer.evaluate(model, val)) == [True] * 3


@pytest.mark.parametrize("name", ["SharedBottom", "MMOE", "PLE", "AITM", "PEPNet"])
def test_towers_that_do_not_match_the_tasks_are_refused(name, monkeypatch):
    monkeypatch.setitem(globals(), "TOWERS", [TOWERS[0], *[{"dims": [2]}] * 3])
    with pytest.raises(ValueError, match="4 entries for 3 tasks"):
        {
            "SharedBottom": lambda: multi_task.SharedBottom(INPUTS, MIXED, PARAMS, TOWERS),
            "MMOE": lambda: multi_task.MMOE(INPUTS, MIXED, 3, PARAMS, TOWERS),
            "PLE": lambda: multi_task.PLE(INPUTS, MIXED, 2, 2, 1, PARAMS, TOWERS),
            "AITM": lambda: multi_task.AITM(INPUTS, 3, PARAMS, TOWERS),
            "PEPNet": lambda: multi_task.PEPNet(INPUTS, INPUTS[:1], INPUTS[:1], MIXED, TOWERS),
        }[name]()


@pytest.mark.parametrize(("empty", "domain", "personal"), [("domain", 0, 1), ("personal", 1, 0)])
def test_gates_without_inputs_are_refused(empty, domain, personal):
    with pytest.raises(ValueError, match=f"{empty}_features is empty"):
        multi_task.PEPNet(INPUTS, INPUTS[:domain], INPUTS[:personal], MIXED, TOWERS)


def test_models_without_experts_or_levels_are_refused():
    with pytest.raises(ValueError, match="n_expert must be at least 1"):
        multi_task.MMOE(INPUTS, MIXED, 0, PARAMS, TOWERS)
    with pytest.raises(ValueError, match="n_level must be at least 1"):
        multi_task.PLE(INPUTS, MIXED, 0, 1, 1, PARAMS, TOWERS)
    with pytest.raises(ValueError, match="calibrator_weight must be at least 0"):
        multi_task.AITM(INPUTS, 3, PARAMS, TOWERS, calibrator_weight=-1)


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("counterfactual_weight", -0.1, "at least 0"),
        ("global_weight", -1.0, "at least 0"),
        ("min_propensity", 0.0, "above 0 and at most 1"),
        ("min_propensity", 1.5, "above 0 and at most 1"),
    ],
)
def test_numbers_out_of_range_are_refused(name, value, rule):
    with pytest.raises(ValueError, match=f"{name} must be {rule}, got {value}"):
        multi_task.ESCM2(USER, ITEM, PARAMS, PARAMS, **{name: value})
