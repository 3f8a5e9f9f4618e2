"""The properties of every ranking model."""

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch.nn import functional as F

from core.stop_once import StopOnce
from torch_rechub.basic.features import DenseFeature, SequenceFeature, SparseFeature
from torch_rechub.basic.layers.embedding import input_columns
from torch_rechub.data.loader import TableLoader, TorchDataset
from torch_rechub.models import ranking
from torch_rechub.testing import ModelContract
from torch_rechub.trainers import CTRTrainer
from torch_rechub.utils.data import DataGenerator

USERS, ITEMS = 20, 12
USER, ITEM = SparseFeature("user", USERS, 4), SparseFeature("item", ITEMS, 4)
POOLED, AGE, PAIR = SequenceFeature("h", ITEMS, 4), DenseFeature("age"), DenseFeature("pair", 2)
FIELDS = [USER, ITEM, POOLED]
INPUTS = [*FIELDS, AGE, PAIR]
PROFILE = [USER, POOLED, AGE, PAIR]
CROSS = [type(f)(f.name, 3 * f.vocab_size, 4) for f in FIELDS]
STEPS, NEGATIVES = (
    SequenceFeature(name, ITEMS, 4, "concat", shared_with="item") for name in ("steps", "negatives")
)
PARAMS = {"dims": [16, 8], "dropout": 0.0, "activation": "relu"}
ATTENTION = {"dims": [8]}
R = ranking

# A new model joins by a line here: how it is made from INPUTS, or from PROFILE, STEPS and ITEM.
MODELS = {
    "AFM": lambda: R.AFM(INPUTS, 4, t=8),
    "AutoInt": lambda: R.AutoInt(FIELDS, [AGE, PAIR], num_layers=2, mlp_params=PARAMS),
    "AutoInt, alone": lambda: R.AutoInt(FIELDS, [AGE, PAIR]),
    "BST": lambda: R.BST(PROFILE, [STEPS], [ITEM], PARAMS, 2, 0.0, dim_feedforward=16),
    "DCN": lambda: R.DCN(INPUTS, 2, PARAMS),
    "DCNv2": lambda: R.DCNv2(INPUTS, 2, PARAMS, low_rank=4),
    "DCNv2, full": lambda: R.DCNv2(INPUTS, 2, PARAMS, use_low_rank_mixture=False),
    "DCNv2, stacked": lambda: R.DCNv2(INPUTS, 2, PARAMS, "stacked", low_rank=4),
    "DCNv2, crossnet_only": lambda: R.DCNv2(INPUTS, 2, PARAMS, "crossnet_only", low_rank=4),
    "DeepFFM": lambda: R.DeepFFM(INPUTS, CROSS, 4, PARAMS),
    "DeepFM": lambda: R.DeepFM(INPUTS, [*FIELDS, AGE], PARAMS),
    "DLRM": lambda: R.DLRM(INPUTS, {"dims": [8], "activation": "tanh"}, PARAMS),
    "DIEN": lambda: R.DIEN(PROFILE, [STEPS], [NEGATIVES], [ITEM], PARAMS),
    "DIN": lambda: R.DIN(PROFILE, [STEPS], [ITEM], PARAMS, ATTENTION),
    "EDCN": lambda: R.EDCN(INPUTS, 2, PARAMS),
    "EDCN, attention": lambda: R.EDCN(INPUTS, 2, PARAMS, "attention_pooling"),
    "FatDeepFFM": lambda: R.FatDeepFFM(INPUTS, CROSS, 4, 1, PARAMS),
    "FiBiNet": lambda: R.FiBiNet(INPUTS, PARAMS),
    "FinalMLP": lambda: R.FinalMLP(INPUTS, [USER, AGE], [ITEM], PARAMS, PARAMS, num_heads=2),
    "FinalMLP, no context": lambda: R.FinalMLP(INPUTS, [], [], PARAMS, PARAMS),
    "FM": lambda: R.FM(INPUTS),
    "FwFM": lambda: R.FwFM(INPUTS),
    "GDCN": lambda: R.GDCN(INPUTS, 2, PARAMS),
    "GDCN, stacked": lambda: R.GDCN(INPUTS, 2, PARAMS, "stacked"),
    "LR": lambda: R.LR(INPUTS),
    "MaskNet": lambda: R.MaskNet(INPUTS, [16, 8]),
    "MaskNet, parallel": lambda: R.MaskNet(INPUTS, [8, 8], "parallel", PARAMS),
    "NFM": lambda: R.NFM(INPUTS, PARAMS),
    "PNN": lambda: R.PNN(INPUTS, PARAMS),
    "PNN, outer": lambda: R.PNN(INPUTS, PARAMS, "outer"),
    "PNN, both": lambda: R.PNN(INPUTS, PARAMS, "both"),
    "WideDeep": lambda: R.WideDeep([AGE, *FIELDS], INPUTS, PARAMS),
    "XDeepFM": lambda: R.XDeepFM(INPUTS, PARAMS, [6, 4]),
}
SEQUENCES = ("h", "steps", "negatives")
OF_HISTORIES = ["BST", "DIEN", "DIN"]


def inputs(n, length=3):
    x = {name: torch.randint(1, ITEMS, (n, length)) for name in SEQUENCES}
    lengths = torch.randint(0, length + 1, (n, 1))
    lengths[0] = 0
    x = {name: ids * (torch.arange(length) < lengths) for name, ids in x.items()}
    return {
        **x,
        "user": torch.randint(0, USERS, (n,)),
        "item": torch.randint(1, ITEMS, (n,)),
        "age": torch.randn(n),
        "pair": torch.randn(n, 2),
    }


def probabilities(output):
    """Without the auxiliary loss that some models return next to them."""
    return output[0] if isinstance(output, tuple) else output


def everything(output):
    """All numbers that a model returns, in one vector."""
    return torch.cat([part.reshape(-1) for part in output]) if type(output) is tuple else output


def test_every_model_is_tested():
    assert {name.split(",")[0] for name in MODELS} == set(ranking.__all__)


@pytest.fixture(params=MODELS)
def make(request):
    return MODELS[request.param]


@pytest.fixture
def model(make, randomized):
    return randomized(make())


class TestEveryRankingModel(ModelContract):
    output_range = (0, 1)

    @pytest.fixture(autouse=True, params=MODELS)
    def row(self, request):
        self.name = request.param
        self.read = input_columns(self.make_model())
        self.sequences = [name for name in SEQUENCES if name in self.read]
        # DIN picks the valid steps, whose number varies; the compiler knows no nn.GRU
        self.reads_values = self.name == "DIN"
        self.compiles_whole = self.name not in ("DIN", "DIEN")

    def make_model(self):
        return MODELS[self.name]()

    def make_inputs(self, n):
        return {name: column for name, column in inputs(n).items() if name in self.read}

    def output_shapes(self, n):
        return [(n,), ()] if self.name == "DIEN" else [(n,)]

    def test_probabilities_are_those_of_the_logits(self, model):
        x = inputs(9)
        p, logits = probabilities(model(x)), probabilities(model.logits(x))
        torch.testing.assert_close(p, 1 / (1 + torch.exp(-logits)))


def test_padding_says_nothing_in_training_either(model):
    model.train()
    x = inputs(5)
    expected = everything(model(x))
    for left, right in ((0, 3), (2, 0)):
        padded = {n: F.pad(v, (left, right)) for n, v in x.items() if n in SEQUENCES}
        torch.testing.assert_close(everything(model({**x, **padded})), expected)


def test_every_input_counts(model):
    model.eval()
    x = inputs(8)
    before = everything(model(x))
    for name in input_columns(model):
        column = x[name]
        changed = column + 1.0 if column.is_floating_point() else (column + 1) % ITEMS
        assert (everything(model({**x, name: changed})) != before).any(), name


def test_a_seed_trains_the_same_model(make, seed_decides, tmp_path):
    x = inputs(128)
    y = (torch.arange(128) % 2).float()

    def train():
        model = make()
        auxiliary = isinstance(model, ranking.DIEN)
        trainer = CTRTrainer(
            model, loss_mode=not auxiliary, n_epoch=1, model_path=tmp_path, progress=False
        )
        trainer.fit(TableLoader(TorchDataset(x, y), 32, shuffle=True))
        return model

    seed_decides(train)


def test_arguments_are_left_as_they_were(make):
    make()
    assert PARAMS == {"dims": [16, 8], "dropout": 0.0, "activation": "relu"}
    assert ATTENTION == {"dims": [8]}
    assert [f.embed_dim for f in INPUTS] == [4, 4, 4, 1, 2]
    assert [f.vocab_size for f in CROSS] == [60, 36, 36]


@pytest.mark.parametrize("given", [True, False])
def test_an_output_layer_among_the_parameters_changes_nothing(make, given, monkeypatch):
    expected = {name: value.shape for name, value in make().state_dict().items()}
    monkeypatch.setitem(PARAMS, "output_layer", given)
    monkeypatch.setitem(ATTENTION, "output_layer", given)
    assert {name: value.shape for name, value in make().state_dict().items()} == expected


def found_and_best(model, x, p, n_epoch, **where):
    """The AUC that training on clicks of probability p reaches, and that of p itself.

    At most n_epoch epochs, as long as the AUC of validation is not near that of p.
    """
    y = (np.random.default_rng(1).random(len(p)) < p).astype(np.float32)
    train, val, test = DataGenerator(x, y).generate_dataloader(
        split_ratio=[0.7, 0.1], batch_size=100
    )
    rows = test.dataset.indices
    best = roc_auc_score(y[rows], p[rows])
    trainer = CTRTrainer(
        model,
        optimizer_params={"lr": 0.02},
        n_epoch=n_epoch,
        loss_mode=not isinstance(model, ranking.DIEN),
        callbacks=[StopOnce(lambda row: row["val/auc"] > 0.5 + 0.95 * (best - 0.5))],
        progress=False,
        **where,
    )
    trainer.fit(train, val)
    return trainer.evaluate(trainer.model, test), best


def test_it_learns_what_decides_the_click(make, tmp_path, device):
    rng = np.random.default_rng(0)
    x = {name: column.numpy() for name, column in inputs(3000).items()}
    # an interaction, so that no input tells alone; but LR knows none
    joined = np.add.outer if make is MODELS["LR"] else np.multiply.outer
    likes = joined(rng.choice([-1, 1], USERS), rng.choice([-1, 1], ITEMS)) * 2.5 + 0.5
    p = 1 / (1 + np.exp(-likes[x["user"], x["item"]]))
    found, best = found_and_best(make(), x, p, 12, model_path=tmp_path, device=device)
    assert best > 0.85
    assert found > 0.5 + 0.85 * (best - 0.5)


@pytest.mark.parametrize("name", OF_HISTORIES)
def test_it_learns_what_the_history_says_of_the_target(name, tmp_path, device):
    x = inputs(3000, length=5)
    group = torch.randint(0, 2, (3000, 1))
    x["steps"] = torch.where(x["steps"] == 0, 0, x["steps"].clamp(2) // 2 * 2 + group)
    x = {key: column.numpy() for key, column in x.items()}
    alike = np.where(x["item"] % 2 == group[:, 0].numpy(), 2.0, -2.0)
    p = 1 / (1 + np.exp(-np.where(x["steps"].any(axis=1), alike, 0.0)))
    where = {"model_path": tmp_path, "device": device}
    found, best = found_and_best(MODELS[name](), x, p, 20, **where)
    assert found > 0.5 + 0.85 * (best - 0.5)


def test_it_computes_the_same_on_another_device(model, on_device, same_on_device):
    x = inputs(7)
    found = everything(on_device(model.eval())(on_device(x)))
    same_on_device(found, everything(model(x)))
