"""Every trainer with models of every family: those that do not fit are refused before any step."""

import random

import numpy as np
import pytest
import torch
from torch import nn
from transformers import T5Config

from core.training.training_table import PARAMS, V, rows
from torch_rechub.basic.features import SequenceFeature, SparseFeature
from torch_rechub.data.loader import TableLoader, TorchDataset
from torch_rechub.losses import FocalLoss
from torch_rechub.models.generative import HSTUModel, RQVAEModel, TIGERModel
from torch_rechub.models.matching import BPRMF, DSSM, YoutubeDNN
from torch_rechub.models.multi_task import SharedBottom
from torch_rechub.models.ranking import DIEN, LR, DeepFM
from torch_rechub.trainers import CTRTrainer, MatchTrainer, MTLTrainer, SeqTrainer, TigerTrainer
from torch_rechub.trainers.rqvae_trainer import Trainer as RQVAETrainer
from torch_rechub.training.model_check import check_callable
from torch_rechub.utils.data import SequenceDataGenerator

USER, ITEM, NEG = (SparseFeature(name, V, 4) for name in ("user", "item", "neg"))
STEPS, NEGATIVES = (
    SequenceFeature(name, V, 4, "concat", shared_with="item") for name in ("steps", "negatives")
)
TYPES = ["classification", "classification"]
SIZES = {"d_model": 8, "n_heads": 2, "n_layers": 1, "dqk": 4, "dv": 4, "max_seq_len": 4}


class Plain(nn.Module):
    """A model of a user: a function of the columns, and a weight to train."""

    def __init__(self, function):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.function = function

    def forward(self, x):
        return self.function(x["user"] * self.weight)


def tiger():
    sizes = {"d_model": 16, "d_kv": 8, "d_ff": 16, "num_layers": 1, "num_heads": 2}
    return TIGERModel(T5Config(vocab_size=20, decoder_start_token_id=0, **sizes))


MODELS = {
    "ranking": lambda: DeepFM([USER, ITEM], [USER, ITEM], PARAMS),
    "auxiliary": lambda: DIEN([USER], [STEPS], [UNCLICKED], [ITEM], PARAMS),
    "tasks": lambda: SharedBottom([USER, ITEM], TYPES, PARAMS, [PARAMS, PARAMS]),
    "points": lambda: DSSM([USER], [ITEM], PARAMS, PARAMS),
    "pairs": lambda: BPRMF(USER, ITEM, neg_item_feature=NEG),
    "lists": lambda: YoutubeDNN([USER], [ITEM], [NEGATIVES], {"dims": [4]}),
    "sequences": lambda: HSTUModel(V, **SIZES),
    "codes": lambda: RQVAEModel(6, num_emb_list=[4, 4], e_dim=4, layers=[5]),
    "tiger": tiger,
    "steps": lambda: Plain(lambda x: x.unsqueeze(1).expand(-1, 4).sigmoid()),
    "unbounded": lambda: Plain(lambda x: x + 1.5),
    "nothing": lambda: Plain(lambda x: None),
}
UNCLICKED = SequenceFeature("unclicked", V, 4, "concat", shared_with="item")
OTHERS = ", and {} of torch_rechub.models.{} is none: train it with {}"
ROWS, TOKENS = "of a dict of columns" + OTHERS, "of sequences of items" + OTHERS

# the trainer, the model, and the message; None where they fit
TABLE = [
    ("ctr", "ranking", None),
    ("ctr", "points", None),
    ("ctr", "auxiliary", "returned a tuple of 2 .*: give loss_mode=False if it returns"),
    ("ctr", "tasks", r"one probability a row, \(B,\), and SharedBottom returned a tensor of shape "
     r"\(64, 2\) for 64 rows: train it with MTLTrainer"),
    ("ctr", "pairs", "BPRMF returned a tuple of 2 for 64 rows: train it with MatchTrainer"),
    ("ctr", "lists", r"YoutubeDNN returned a tensor of shape \(64, \d\) .*: train it with MatchT"),
    ("ctr", "steps", r"Plain returned a tensor of shape \(64, 4\) .*: train a model of several"),
    ("ctr", "unbounded", r"takes probabilities in \[0, 1\], and Plain returned \d.*: end it in"),
    ("ctr", "nothing", r"Plain returned a NoneType for 64 rows: let it return one probability"),
    ("ctr", "sequences", ROWS.format("HSTUModel", "generative", "SeqTrainer")),
    ("ctr", "codes", ROWS.format("RQVAEModel", "generative.rqvae", "torch_rechub.trainers.rqvae")),
    ("ctr", "tiger", ROWS.format("TIGERModel", "generative.tiger", "TigerTrainer")),
    ("values", "ranking", None),
    ("values", "unbounded", "MSELoss takes the logits of a model, and Plain has no method logits"),
    ("classes", "ranking", "a logit for each class, .* wrap a ranking model in .*MultiClass"),
    ("classes", "tasks", None),
    ("ranks", "ranking", None),
    ("ranks", "unbounded", None),
    ("ranks", "tasks", "SharedBottom returned .*: train it with MTLTrainer"),
    ("mtl", "tasks", None),
    ("mtl", "ranking", r"for each of the 2 tasks.*has shape \(64,\): train DeepFM with CTRTrainer"),
    ("mtl", "pairs", "the model returned a tuple of 2: train BPRMF with MatchTrainer"),
    ("mtl", "lists", r"for each of the 2 tasks.*: train YoutubeDNN with MatchTrainer"),
    ("mtl", "steps", r"for each of the 2 tasks.*\(64, 4\): give a task type for each column"),
    ("mtl", "nothing", "the model returned a NoneType: give a task type for each column"),
    ("mtl", "sequences", ROWS.format("HSTUModel", "generative", "SeqTrainer")),
    ("mtl", "codes", "train it with torch_rechub.trainers.rqvae_trainer.Trainer"),
    ("match0", "points", None),
    ("match0", "ranking", None),
    ("match0", "pairs", r"one probability a row, not a tuple of 2: set mode=1 for pairs"),
    ("match0", "lists", r"one probability a row, not a tensor of shape .*mode=2"),
    ("match0", "tasks", r"one probability a row, not a tensor of shape"),
    ("match1", "pairs", None),
    ("match1", "ranking", r"mode=1 trains models that return \(positive scores, negative scores\)"),
    ("match1", "points", r"mode=1 trains models that return \(positive scores, negative scores\)"),
    ("match2", "lists", None),
    ("match2", "ranking", r"mode=2 trains models that return the scores of several candidates"),
    ("match2", "pairs", r"mode=2 trains models that return the scores of several candidates"),
    ("match0", "sequences", ROWS.format("HSTUModel", "generative", "SeqTrainer")),
    ("match0", "tiger", ROWS.format("TIGERModel", "generative.tiger", "TigerTrainer")),
    ("seq", "sequences", None),
    ("seq", "ranking", TOKENS.format("DeepFM", "ranking", "CTRTrainer")),
    ("seq", "tasks", TOKENS.format("SharedBottom", "multi_task", "MTLTrainer")),
    ("seq", "points", TOKENS.format("DSSM", "matching", "MatchTrainer")),
    ("seq", "tiger", TOKENS.format("TIGERModel", "generative.tiger", "TigerTrainer")),
    ("seq", "codes", "train it with torch_rechub.trainers.rqvae_trainer.Trainer"),
    ("seq", "unbounded", r"SeqTrainer calls model\(tokens, time_diffs\) .* Plain.forward\(x\)"),
    ("rqvae", "codes", None),
    ("rqvae", "ranking", "trains models of embeddings of items, .*: train it with CTRTrainer"),
    ("rqvae", "sequences", "trains models of embeddings of items, .*: train it with SeqTrainer"),
]  # fmt: skip


def trainer_and_data(name, model, tmp_path):
    x, y = rows()
    x["unclicked"] = x["steps"].flip(0)
    options = {"n_epoch": 1, "model_path": tmp_path}
    ctr = {
        "ctr": {}, "values": {"loss": "mse"}, "classes": {"loss": "softmax"},
        "ranks": {"loss": "ranknet", "group_column": "user"},
    }  # fmt: skip
    if name in ctr:
        return CTRTrainer(model, **ctr[name], **options), TorchDataset(x, y)
    if name == "mtl":
        return MTLTrainer(model, TYPES, **options), TorchDataset(x, torch.stack([y, y], dim=1))
    if name.startswith("match"):
        mode = int(name[-1])
        y = y if mode == 0 else torch.zeros(len(y), dtype=torch.int64)
        return MatchTrainer(model, mode=mode, **options), TorchDataset(x, y)
    if name == "seq":
        tokens = x["steps"] + 1
        parts = (tokens.clamp(max=V - 1), tokens, tokens[:, 0].clamp(max=V - 1), tokens * 60)
        return SeqTrainer(model, **options), SequenceDataGenerator(*parts).dataset
    return RQVAETrainer(model, **options), torch.randn(96, 6)


def fitted(name, model, tmp_path):
    trainer, data = trainer_and_data(name, model, tmp_path)
    trainer.fit(loader_of(data))
    return trainer


def loader_of(dataset, batch_size=96):
    if isinstance(dataset, torch.Tensor):
        return torch.utils.data.DataLoader(dataset, batch_size=batch_size)
    return TableLoader(dataset, batch_size)


@pytest.mark.parametrize(
    ("name", "model", "message"), TABLE, ids=[f"{name}-{model}" for name, model, _ in TABLE]
)
def test_a_trainer_and_a_model_fit_or_are_refused_before_the_first_step(
    name, model, message, tmp_path
):
    made = MODELS[model]()
    weights = {key: value.clone() for key, value in made.state_dict().items()}
    if message is None:
        assert len(fitted(name, made, tmp_path).history) == 1
        return
    with pytest.raises((ValueError, TypeError), match=message):
        fitted(name, made, tmp_path)
    assert all(torch.equal(value, weights[key]) for key, value in made.state_dict().items())


@pytest.mark.parametrize("model", ["tasks", "pairs", "lists", "steps", "unbounded", "nothing"])
def test_a_model_is_refused_by_its_first_batch_where_no_table_is_in_memory(model, tmp_path):
    trainer, data = trainer_and_data("ctr", MODELS[model](), tmp_path)
    steps = []
    trainer.optimizer.register_step_post_hook(lambda *_: steps.append(1))
    with pytest.raises(ValueError, match="returned"):
        trainer.fit([data[:48], data[48:]])
    assert steps == []


class Remembers(nn.Module):
    """A model with dropout, batch normalization, and a buffer that it changes when it is called."""

    def __init__(self):
        super().__init__()
        self.first, self.norm, self.drop = nn.Linear(1, 4), nn.BatchNorm1d(4), nn.Dropout(0.5)
        self.last = nn.Linear(4, 1)
        self.register_buffer("calls", torch.zeros(()))
        self.modes = []

    def forward(self, x):
        self.calls += 1
        self.modes.append(self.training)
        torch.rand(3), np.random.rand(), random.random()  # noqa: NPY002
        h = self.drop(self.norm(self.first(x["user"].float().unsqueeze(1))))
        return self.last(h).squeeze(1).sigmoid()


def test_the_trial_of_a_model_leaves_no_trace(tmp_path, monkeypatch):
    found = []
    for tried in (True, False):
        if not tried:
            monkeypatch.setattr(
                "torch_rechub.training.device_loader.DeviceLoader._try_model", lambda *_: None
            )
        torch.manual_seed(0)
        model = Remembers()
        x, y = rows()
        trainer = CTRTrainer(model, n_epoch=2, model_path=tmp_path)
        torch.manual_seed(1), np.random.seed(1), random.seed(1)  # noqa: NPY002
        trainer.fit(TableLoader(TorchDataset(x, y), 32, shuffle=True))
        drawn = [float(torch.rand(1)), np.random.rand(), random.random()]  # noqa: NPY002
        found.append((model.state_dict(), drawn, model.modes))
    assert found[0][2] == [False, *found[1][2]]  # it was called once more, in evaluation mode
    assert found[0][1] == found[1][1]
    assert all(torch.equal(found[0][0][key], value) for key, value in found[1][0].items())


def test_a_loader_that_can_be_read_once_is_not_read_by_a_trial(tmp_path):
    x, y = rows()
    once = iter([({k: v[i : i + 32] for k, v in x.items()}, y[i : i + 32]) for i in (0, 32, 64)])
    trainer = CTRTrainer(LR([USER, ITEM]), n_epoch=1, model_path=tmp_path)
    trainer.fit(once)
    assert trainer.history[0]["train/loss"] > 0


def test_a_regression_by_a_sigmoid_is_warned_of(tmp_path, caplog):
    x, y = rows()
    model = Plain(lambda x: x.sigmoid())
    trainer = MTLTrainer(model, ["regression"], n_epoch=1, model_path=tmp_path)
    trainer.fit(TableLoader(TorchDataset(x, 4 * y + 1), 32))
    assert "a regression whose labels reach 5, and Plain returned numbers in [0, 1]" in caplog.text


def test_a_probability_of_a_task_outside_0_to_1_is_refused(tmp_path):
    x, y = rows()
    trainer = MTLTrainer(Plain(lambda x: x + 1.5), ["classification"], model_path=tmp_path)
    with pytest.raises(
        ValueError, match=r"of task 0 takes probabilities in .*, and Plain returned"
    ):
        trainer.fit(TableLoader(TorchDataset(x, y), 32))


def test_the_loss_of_a_user_decides_what_outputs_are_allowed(tmp_path):
    class Squared(nn.Module):
        def forward(self, predictions, labels):
            return (predictions - labels).square().mean()

    x, y = rows()
    loader = TableLoader(TorchDataset(x, y), 32)
    CTRTrainer(MODELS["unbounded"](), loss=Squared(), n_epoch=1, model_path=tmp_path).fit(loader)
    with pytest.raises(ValueError, match="FocalLoss takes probabilities"):
        CTRTrainer(MODELS["unbounded"](), loss=FocalLoss(), model_path=tmp_path).fit(loader)


def test_tiger_takes_models_of_its_kind():
    with pytest.raises(ValueError, match="TigerTrainer trains models of sequences of codes, and"):
        check_callable("TigerTrainer", TigerTrainer.model_inputs, MODELS["sequences"]())
    check_callable("TigerTrainer", TigerTrainer.model_inputs, MODELS["tiger"]())
