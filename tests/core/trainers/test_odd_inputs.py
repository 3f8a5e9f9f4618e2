"""Inputs that are odd but legal: every trainer and model fits, evaluates and predicts on them."""

import math
from dataclasses import dataclass

import pytest
import torch

from torch_rechub.basic.features import DenseFeature, SequenceFeature, SparseFeature
from torch_rechub.basic.metric import gauc_score, ranking_metrics
from torch_rechub.metrics.retrieval import evaluate_retrieval, top_k
from torch_rechub.models import matching, multi_task, ranking
from torch_rechub.models.generative import HSTUModel
from torch_rechub.objectives.balancing.choice import STRATEGIES
from torch_rechub.trainers import CTRTrainer, MatchTrainer, MTLTrainer, SeqTrainer
from torch_rechub.utils.data import DataGenerator, MatchDataGenerator, SequenceDataGenerator

D, MANY = 4, 50  # the width of embeddings; a K above any catalog here
MLP = {"dims": [6], "dropout": 0.1}
TOWER = {"dims": [6, D]}


@dataclass(frozen=True)
class Odd:
    """The odd properties of the rows; none by default."""

    n: int = 12
    n_val: int = 6
    batch_size: int = 4
    ids: int = 6  # size of every vocabulary, padding among it
    length: int = 3  # of histories
    empty: bool = False  # whether all histories are padding
    equal: bool = False  # whether all rows are the same
    label: float | None = None  # of all rows
    single: bool = False  # whether each part of a model reads one feature
    dtype: torch.dtype | None = None  # of every column and label
    views: bool = False  # whether columns of the user have a second feature each


ODD = {
    "nothing": Odd(),
    "one row": Odd(n=1, n_val=1),
    "batches of one row": Odd(n=3, n_val=3, batch_size=1),
    "a last batch of one row": Odd(n=9, n_val=5),
    "one item": Odd(ids=2),
    "vocabularies of one id": Odd(ids=1),
    "empty histories": Odd(empty=True),
    "histories of no width": Odd(length=0, empty=True),
    "histories of one step": Odd(length=1),
    "rows that are all the same": Odd(equal=True),
    "positives alone": Odd(label=1.0),
    "negatives alone": Odd(label=0.0),
    "one feature": Odd(single=True),
    "no validation": Odd(n_val=0),
    "whole numbers as floats of 64 bits": Odd(dtype=torch.float64),
    "numbers of 8 bits": Odd(dtype=torch.int8),
    "two features of one column": Odd(views=True),
}


@pytest.fixture(params=ODD)
def odd(request):
    return ODD[request.param]


@pytest.fixture
def settings(tmp_path):
    return {"n_epoch": 2, "model_path": tmp_path, "progress": False}


def ids(odd, shape):
    return torch.randint(min(1, odd.ids - 1), odd.ids, shape)


def table(odd, n):
    """Every column that a model below reads."""
    shapes = dict.fromkeys(("user", "item", "neg"), (n,))
    shapes |= dict.fromkeys(("history", "next", "other"), (n, odd.length))
    shapes["negatives"] = (n, 2)
    x = {name: ids(odd, shape) for name, shape in shapes.items()}
    x["history"] *= not odd.empty
    x["age"] = torch.randn(n)
    x = {name: column.to(odd.dtype or column.dtype) for name, column in x.items()}
    return {name: c[:1].expand_as(c).clone() for name, c in x.items()} if odd.equal else x


def labels(odd, n):
    y = torch.arange(n) % 2.0 if odd.label is None else torch.full((n,), odd.label)
    return y.to(odd.dtype or y.dtype)


def loaders(odd, n_task=0):
    """Those of training, of validation or None, and of what to look at afterwards."""

    def part(n):
        y = labels(odd, n)
        return table(odd, n), y.unsqueeze(1).repeat(1, n_task) if n_task else y

    val = part(odd.n_val) if odd.n_val else (None, None)
    data = DataGenerator(*part(odd.n))
    train, val = data.generate_dataloader(*val, batch_size=odd.batch_size)[:2]
    return train, val, train if val is None else val


def is_one_class(odd, n):
    return odd.label is not None or n < 2


def assert_score(value, undefined, caplog):
    """A score is in its range, or NaN with a warning where it is undefined."""
    if undefined:
        assert math.isnan(value)
        assert "undefined" in caplog.text
    else:
        assert 0 <= value <= 1


def assert_losses_are_finite(trainer):
    rows = trainer.history
    assert len(rows) == 2
    assert all(math.isfinite(v) for row in rows for k, v in row.items() if "val/" not in k)


def sparse(odd, name, owner=None):
    return SparseFeature(name, odd.ids, D, shared_with=owner)


def sequence(odd, name, pooling="concat", owner="item"):
    return SequenceFeature(name, odd.ids, D, pooling, shared_with=owner)


def users(odd):
    user = [sparse(odd, "user")]
    views = [DenseFeature("user"), sequence(odd, "history", "sum")] if odd.views else []
    others = [sequence(odd, "history", "mean"), DenseFeature("age"), *views]
    return user if odd.single else [*user, *others]


def items(odd):
    return [sparse(odd, "item")]


def inputs(odd):
    return items(odd) if odd.single else [*items(odd), *users(odd)]


RANKING = {
    "DeepFM": lambda odd: ranking.DeepFM(inputs(odd), items(odd), MLP),
    "WideDeep": lambda odd: ranking.WideDeep(items(odd), inputs(odd), MLP),
    "DCN": lambda odd: ranking.DCN(inputs(odd), 2, MLP),
}


@pytest.mark.parametrize("name", RANKING)
def test_clicks(name, odd, settings, caplog):
    train, val, seen = loaders(odd)
    trainer = CTRTrainer(RANKING[name](odd), **settings)
    trainer.fit(train, val)
    assert_losses_are_finite(trainer)
    n = len(seen.dataset)
    assert_score(trainer.evaluate(trainer.model, seen), is_one_class(odd, n), caplog)
    predictions = trainer.predict(trainer.model, seen)
    assert len(predictions) == n
    assert all(0 <= p <= 1 for p in predictions)


def facebook(odd):
    negatives = [sparse(odd, "neg", "item")]
    return matching.FaceBookDSSM(users(odd), items(odd), negatives, TOWER, TOWER)


def youtube(odd):
    return matching.YoutubeDNN(users(odd), items(odd), [sequence(odd, "negatives")], TOWER)


def gru4rec(odd):
    user, steps = [] if odd.single else [sparse(odd, "user")], [sequence(odd, "history")]
    return matching.GRU4Rec(user, steps, items(odd), [sequence(odd, "negatives")], TOWER)


def sasrec(odd):
    steps = [sequence(odd, name, owner=None) for name in ("history", "next", "other")]
    return matching.SASRec(steps, max_len=3, item_feature=sparse(odd, "item"))


MATCHING = {
    "DSSM": (0, lambda odd: matching.DSSM(users(odd), items(odd), TOWER, TOWER)),
    "FaceBookDSSM": (1, facebook),
    "SASRec": (1, sasrec),
    "YoutubeDNN": (2, youtube),
    "GRU4Rec": (2, gru4rec),
}


@pytest.mark.parametrize("in_batch", [False, True], ids=["own negatives", "in-batch"])
@pytest.mark.parametrize("name", MATCHING)
def test_retrieval(name, in_batch, odd, settings, caplog):
    mode, make = MATCHING[name]
    x, y = table(odd, odd.n), labels(odd, odd.n) if mode == 0 else ()
    train, user_loader, item_loader = MatchDataGenerator(x, y).generate_dataloader(
        x, {"item": torch.arange(odd.ids)}, odd.batch_size
    )
    trainer = MatchTrainer(make(odd), mode, in_batch, 2, **settings)
    trainer.fit(train, train if odd.n_val else None)
    assert_losses_are_finite(trainer)

    nothing_else = odd.batch_size == 1 or len(x["item"].unique()) == 1
    one_class = mode == 0 and is_one_class(odd, odd.n)
    no_pair = name == "SASRec" and (odd.empty or odd.ids == 1)
    undefined = nothing_else and (mode > 0 or one_class) if in_batch else one_class or no_pair
    assert_score(trainer.evaluate(trainer.model, train), undefined, caplog)
    predictions = torch.tensor(trainer.predict(trainer.model, train))
    assert len(predictions) == odd.n
    assert torch.isfinite(predictions).all()

    folder = settings["model_path"]
    u = trainer.inference_embedding(trainer.model, "user", user_loader, folder)
    v = trainer.inference_embedding(trainer.model, "item", item_loader, folder)
    scores, best = top_k(u, v, k=MANY)
    assert scores.shape == best.shape == (odd.n, odd.ids)
    assert torch.equal(best.sort(dim=1).values, torch.arange(odd.ids).expand(odd.n, -1))
    liked = x["item"].long().unsqueeze(1)
    assert evaluate_retrieval(u, v, liked, topKs=[MANY])[f"hit@{MANY}"] == 1


def kinds(n_task):
    return ["classification", "regression"][:n_task]


MULTI_TASK = {
    "SharedBottom": lambda odd, t: multi_task.SharedBottom(inputs(odd), kinds(t), MLP, [MLP] * t),
    "MMOE": lambda odd, t: multi_task.MMOE(inputs(odd), kinds(t), 2, MLP, [MLP] * t),
    "PLE": lambda odd, t: multi_task.PLE(inputs(odd), kinds(t), 2, 1, 1, MLP, [MLP] * t),
    "AITM": lambda odd, t: multi_task.AITM(inputs(odd), t, MLP, [MLP] * t),
    "ESMM": lambda odd, t: multi_task.ESMM(users(odd), items(odd), MLP, MLP),
    "ESCM2": lambda odd, t: multi_task.ESCM2(users(odd), items(odd), MLP, MLP, MLP),
}


BALANCED = [(name, None) for name in MULTI_TASK] + [("MMOE", method) for method in STRATEGIES]
OF_OWN_TASKS = ("ESMM", "ESCM2")  # whose number is fixed
CASES = [(*case, n) for case in BALANCED for n in (1, 2) if n == 2 or case[0] not in OF_OWN_TASKS]


@pytest.mark.parametrize(("name", "method", "n_task"), CASES)
def test_tasks(name, method, n_task, odd, settings, caplog):
    model = MULTI_TASK[name](odd, n_task)
    types = model.task_types
    train, val, seen = loaders(odd, len(types))
    params = None if method is None else {"method": method}
    trainer = MTLTrainer(model, types, adaptive_params=params, **settings)
    trainer.fit(train, val)
    assert_losses_are_finite(trainer)
    n = len(seen.dataset)
    for task_type, score in zip(types, trainer.evaluate(model, seen), strict=True):
        if task_type == "regression":
            assert score >= 0
        else:
            assert_score(score, is_one_class(odd, n), caplog)
    predictions = torch.tensor(trainer.predict(model, seen))
    assert predictions.shape == (n, len(types))
    assert torch.isfinite(predictions).all()


def sequences(odd, n):
    """Tokens; the first two sequences are empty where there are more."""
    tokens = ids(odd, (n, odd.length))
    tokens[:2] *= n < 3
    zeros = torch.zeros_like(tokens)
    columns = [tokens * (not odd.empty), zeros, ids(odd, (n,)), zeros]
    data = SequenceDataGenerator(*(column.to(odd.dtype or column.dtype) for column in columns))
    return data.generate_dataloader(odd.batch_size)[0]


@pytest.mark.parametrize("loss_type", ["cross_entropy", "nce"])
@pytest.mark.parametrize("name", [k for k, odd in ODD.items() if odd.ids > 1 and not odd.empty])
def test_next_items(name, loss_type, settings):
    odd = ODD[name]
    trainer = SeqTrainer(hstu(odd), loss_type=loss_type, **settings)
    val = sequences(odd, odd.n_val) if odd.n_val else None
    found = trainer.fit(sequences(odd, odd.n), val)
    assert_losses_are_finite(trainer)
    assert [len(column) for column in found.values()] == [2, *[2 * (val is not None)] * 2]
    loss, accuracy = trainer.evaluate(sequences(odd, odd.n))
    assert loss >= 0
    assert 0 <= accuracy <= 1
    data = sequences(odd, odd.n)
    assert trainer.evaluate_topk(data, topKs=[1, MANY])[f"hit@{MANY}"] == 1
    new = [
        target not in row
        for tokens, _, _, targets in data
        for row, target in zip(tokens.tolist(), targets.tolist(), strict=True)
        if target and any(row)
    ]
    ranked = trainer.evaluate_topk(data, topKs=[1, MANY], exclude_seen=True)
    assert ranked[f"hit@{MANY}"] == pytest.approx(sum(new) / len(new))


def hstu(odd):
    return HSTUModel(odd.ids, d_model=4, n_heads=1, n_layers=1, dqk=2, dv=2, max_seq_len=3)


@pytest.mark.parametrize("odd", [ODD["empty histories"], ODD["histories of no width"]])
def test_next_items_of_nothing(odd, settings, caplog):
    trainer = SeqTrainer(hstu(odd), **settings)
    trainer.fit(sequences(Odd(), 12), sequences(odd, 6))
    assert_losses_are_finite(trainer)
    assert "undefined" in caplog.text
    assert all(map(math.isnan, trainer.evaluate(sequences(odd, 6))))
    assert all(map(math.isnan, trainer.evaluate_topk(sequences(odd, 6), [MANY]).values()))
    with pytest.raises(ValueError, match="anything to learn from"):
        trainer.fit(sequences(odd, 12))


def test_users_without_positives_do_not_count():
    user, one_item = torch.ones(2, D), torch.ones(1, D)
    assert set(evaluate_retrieval(user, one_item, [[], [0]], topKs=[1]).values()) == {1.0}
    assert all(map(math.isnan, evaluate_retrieval(user, one_item, [[], []]).values()))
    assert ranking_metrics({1: [], 2: [7]}, {2: [7]}, [1, MANY])[f"recall@{MANY}"] == 1
    assert gauc_score([0, 0, 0, 1], [0.1, 0.2, 0.3, 0.4], [1, 1, 2, 2]) == 1
    assert math.isnan(gauc_score([0, 0], [0.1, 0.2], [1, 1]))
