"""Negatives from earlier batches, against a queue in plain Python."""

import math
from collections import deque

import pytest
import torch
from torch import nn

from core.training.batch_losses import loss_of
from torch_rechub.basic.features import SequenceFeature, SparseFeature
from torch_rechub.data.loader import TableLoader, TorchDataset
from torch_rechub.models.matching import DSSM, SASRec
from torch_rechub.objectives.cross_batch import CrossBatchMemory
from torch_rechub.trainers import CheckpointError, MatchTrainer

D, V = 8, 30
USER, ITEM, KIND = (SparseFeature(name, V, D) for name in ("user", "item", "kind"))
PARAMS = {"dims": [D]}


def dssm(*others):
    return DSSM([USER], [ITEM, *others], PARAMS, PARAMS, temperature=0.5)


def rows(n, seed=0):
    g = torch.Generator().manual_seed(seed)
    x = {name: torch.randint(0, V, (n,), generator=g) for name in ("user", "item")}
    return {**x, "kind": torch.randint(0, 2, (n,), generator=g)}


@pytest.fixture
def make(tmp_path):
    def make_trainer(model=None, **kwargs):
        torch.manual_seed(1)
        settings = {"in_batch_neg": True, "n_epoch": 2, "progress": False, "model_path": tmp_path}
        trainer = MatchTrainer(dssm() if model is None else model, **{**settings, **kwargs})
        trainer.model.eval()  # no draw of dropout
        return trainer

    return make_trainer


def queue_losses(model, batches, size, warmup=0, q=None, columns=("item",), ratio=None):
    """The loss of each batch in turn, while the model changes as `batches` lets it."""
    queue, losses = deque(maxlen=size), []
    for number, x in enumerate(batches):
        user, item = model.user_tower(x).tolist(), model.item_tower(x).tolist()
        keys = list(zip(*(x[name].tolist() for name in columns)))
        ln_q = [0.0] * len(item) if q is None else [math.log(q[i]) for i in x["item"].tolist()]
        here = list(zip(keys, item, ln_q))
        each = []
        for i, u in enumerate(user):

            def score(vector, shift, u=u):
                return math.fsum(a * b for a, b in zip(u, vector)) / 0.5 - shift

            own = score(item[i], ln_q[i])
            others = [score(v, s) for key, v, s in here if key != keys[i]]
            others = others if ratio is None else sorted(others, reverse=True)[:ratio]
            if number >= warmup:
                others += [score(v, s) for key, v, s in queue if key != keys[i]]
            each.append(math.log(math.fsum(map(math.exp, [own, *others]))) - own)
        losses.append(math.fsum(each) / len(each))
        queue.extend(here)
    return losses


def found_losses(trainer, batches):
    losses = []
    for x in batches:
        loss = loss_of(trainer, x)
        loss.backward()
        losses.append(loss.item())
    return losses


SIZES = [1, 10, 25, 1000]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("warmup", [0, 2])
def test_items_of_earlier_batches_are_negatives(make, size, warmup):
    batches = [rows(12, seed) for seed in range(5)]
    trainer = make(cross_batch_negatives=size, cross_batch_warmup=warmup)
    expected = queue_losses(trainer.model, batches, size, warmup)
    assert found_losses(trainer, batches) == pytest.approx(expected, rel=1e-5)
    plain = found_losses(make(), batches)
    assert found_losses(make(cross_batch_negatives=0), batches) == plain
    assert plain[: max(warmup, 1)] == pytest.approx(expected[: max(warmup, 1)], rel=1e-5)
    assert all(more > less for more, less in zip(expected[warmup + 1 :], plain[warmup + 1 :]))


def test_batches_may_differ_in_size(make):
    batches = [rows(n, seed=n) for n in (7, 1, 12, 3)]
    trainer = make(cross_batch_negatives=9)
    expected = queue_losses(trainer.model, batches, 9)
    assert found_losses(trainer, batches) == pytest.approx(expected, rel=1e-5)


def test_an_item_is_known_again_by_all_the_columns_of_its_tower(make):
    batches = [rows(12, seed) for seed in range(4)]
    trainer = make(dssm(KIND), cross_batch_negatives=20)
    expected = queue_losses(trainer.model, batches, 20, columns=("item", "kind"))
    assert found_losses(trainer, batches) == pytest.approx(expected, rel=1e-5)


def test_remembered_items_have_their_own_ln_q(make):
    n = torch.arange(1, V + 1)
    batches = [rows(12, seed) for seed in range(4)]
    trainer = make(cross_batch_negatives=20, item_frequency={"item": n.numpy()})
    q = (n / n.sum()).tolist()
    expected = queue_losses(trainer.model, batches, 20, q=q)
    assert found_losses(trainer, batches) == pytest.approx(expected, rel=1e-5)


def test_they_are_in_addition_to_the_hardest_negatives_of_the_batch(make):
    batches = [rows(12, seed) for seed in range(4)]
    trainer = make(cross_batch_negatives=20, in_batch_neg_ratio=3, hard_negative=True)
    expected = queue_losses(trainer.model, batches, 20, ratio=3)
    assert found_losses(trainer, batches) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("size", [0, 20])
def test_another_criterion_has_the_same_scores(make, size):
    batches = [rows(12, seed) for seed in range(4)]
    trainer, twin = (make(cross_batch_negatives=size) for _ in range(2))
    trainer.criterion = type("Subclass", (nn.CrossEntropyLoss,), {})()  # is given all scores
    expected = found_losses(twin, batches)
    assert found_losses(trainer, batches) == pytest.approx(expected, rel=1e-5)


def test_they_keep_the_vectors_that_they_had_and_get_no_gradient(make):
    first, second = rows(6, 0), rows(6, 1)
    first["item"], second["item"] = torch.arange(6), torch.arange(6, 12)
    trainer = make(cross_batch_negatives=6)
    before = trainer.model.item_tower(first).detach()
    loss_of(trainer, first)
    with torch.no_grad():
        for p in trainer.model.item_mlp.parameters():
            p.mul_(-0.7)
    user, item = trainer.model.user_tower(second) / 0.5, trainer.model.item_tower(second)
    scores = torch.cat([user @ item.T, user @ before.T], dim=1)
    expected = nn.functional.cross_entropy(scores, torch.arange(6))
    found = loss_of(trainer, second)
    torch.testing.assert_close(found, expected)
    found.backward()
    table = trainer.model.embedding.embed_dict["item"].weight.grad
    touched = (table.coalesce().to_dense() if table.is_sparse else table).any(dim=1)
    assert not touched[:6].any()  # those of the first batch
    assert touched[6:12].any()


def test_rows_without_a_click_are_remembered_as_items(make):
    x, y = rows(12), torch.tensor([1.0, 0.0] * 6)
    trainer = make(mode=0, cross_batch_negatives=24)
    loss_of(trainer, (x, y))
    assert len(trainer.objective.memory.vectors) == 12
    assert loss_of(trainer, (x, y)) > loss_of(make(mode=0), (x, y))


def sasrec():
    return SASRec([SequenceFeature(n, V, D, "concat") for n in ("seq", "pos", "neg")], 5, 0.0)


def test_items_of_a_sequence_model_are_known_by_their_last_one(make):
    def batch(last):
        seq = torch.tensor([[0, 1, 2], [3, 4, 5]])
        pos = torch.tensor([[1, 2, last], [4, 5, 9]])
        return {"seq": seq, "pos": pos, "neg": pos}

    trainer = make(sasrec(), mode=2, cross_batch_negatives=2)
    loss_of(trainer, batch(7))
    same = trainer.objective.memory.recall(batch(7)).same
    assert [column.tolist() for column in same] == [[0, 1], [0, 1]]
    other = trainer.objective.memory.recall(batch(8)).same
    assert [column.tolist() for column in other] == [[1], [1]]
    longer = {name: torch.cat([c, c[:, :2]], dim=1) for name, c in batch(7).items()}
    with pytest.raises(ValueError, match=r"'pos' has shape \(2, 5\) after one of \(2, 3\): pad"):
        loss_of(trainer, longer)


def test_a_model_that_does_not_tell_items_apart_has_no_exclusion():
    class Towers(nn.Module):
        def user_tower(self, x):
            return x["user"].float().unsqueeze(1)

        item_tower = user_tower

    memory = CrossBatchMemory(4, 0, Towers())
    x = rows(3)
    assert memory.recall(x) is None
    memory.add(x, torch.randn(3, 1), None)
    assert memory.recall(x).same is None
    assert memory.recall(x).vectors.shape == (3, 1)


def loader(n=60):
    return TableLoader(TorchDataset(rows(n), torch.zeros(n)), 16)


def test_each_fit_begins_with_no_items(make, same_weights):
    trainer = make(cross_batch_negatives=1000, n_epoch=1, optimizer_params={"lr": 0.0})
    trainer.fit(loader())
    assert len(trainer.objective.memory.vectors) == 60
    first = trainer.history[0]["train/loss"]
    trainer.fit(loader())
    assert trainer.history[0]["train/loss"] == first


@pytest.mark.parametrize("warmup", [0, 6])
def test_a_resumed_training_run_has_the_items_it_would_have_had(tmp_path, same_weights, warmup):
    def run(folder, n_epoch):
        torch.manual_seed(0)
        trainer = MatchTrainer(
            dssm(),
            in_batch_neg=True,
            cross_batch_negatives=30,
            cross_batch_warmup=warmup,
            item_frequency={"item": torch.arange(1, V + 1).numpy()},
            optimizer_params={"lr": 0.01},
            n_epoch=n_epoch,
            model_path=tmp_path / folder,
            progress=False,
        )
        trainer.fit(loader(), resume=True)
        return trainer.model.state_dict()

    whole = run("whole", 4)
    run("parts", 2)
    assert same_weights(run("parts", 4), whole)


def test_a_checkpoint_without_items_is_refused(make):
    make().fit(loader(), resume=True)
    trainer = make(cross_batch_negatives=8, n_epoch=4)
    with pytest.raises(CheckpointError, match="cross_batch_negatives is set only there, or only"):
        trainer.fit(loader(), resume=True)


def test_it_learns_who_likes_what(make):
    """Users like the items of their remainder by 5; batches of 8 hold few of the others."""
    g = torch.Generator().manual_seed(0)
    user = torch.randint(0, V, (600,), generator=g)
    item = torch.randint(0, V // 5, (600,), generator=g) * 5 + user % 5
    data = TableLoader(TorchDataset({"user": user, "item": item}, torch.zeros(600)), 8)
    trainer = make(
        cross_batch_negatives=64,
        cross_batch_warmup=75,
        optimizer_params={"lr": 0.01},
        n_epoch=6,
    )
    trainer.fit(data)
    trainer.model.eval()
    x = {"user": torch.arange(V), "item": torch.arange(V)}
    best = (trainer.model.user_tower(x) @ trainer.model.item_tower(x).T).topk(6).indices
    right = (best % 5 == x["user"].unsqueeze(1) % 5).float().mean()
    assert right > 0.9  # 0.2 by chance


def test_what_is_recorded(make, fake_logger):
    trainer = make(cross_batch_negatives=8, cross_batch_warmup=3, model_logger=fake_logger)
    trainer.fit(loader())
    recorded = fake_logger.calls[0][1]
    assert recorded["cross_batch_negatives"] == 8
    assert recorded["cross_batch_warmup"] == 3


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"cross_batch_negatives": -1}, ValueError, "cross_batch_negatives must be at least 0"),
        ({"cross_batch_negatives": 0.5}, ValueError, "cross_batch_negatives must be a whole"),
        ({"cross_batch_negatives": None}, TypeError, "cross_batch_negatives must be a number"),
        ({"cross_batch_warmup": -1}, ValueError, "cross_batch_warmup must be at least 0"),
        ({"cross_batch_negatives": 9, "in_batch_neg": False}, ValueError, "set in_batch_neg=True"),
    ],
)
def test_impossible_arguments_are_refused(make, arguments, error, message):
    with pytest.raises(error, match=message):
        make(**arguments)
