"""The properties of every retrieval model."""

import inspect
import pkgutil
from importlib import import_module

import pytest
import torch
from torch.nn import functional as F

from core.models.matching_table import MODELS, inputs
from core.stop_once import StopOnce
from torch_rechub.basic.layers.embedding import input_columns
from torch_rechub.data.loader import TableLoader, TorchDataset
from torch_rechub.metrics.retrieval import top_k
from torch_rechub.models import matching
from torch_rechub.models.matching.two_tower import TwoTower
from torch_rechub.testing import ModelContract
from torch_rechub.trainers import MatchTrainer

NAMES = sorted(MODELS)
BY_COSINE = [name for name in NAMES if MODELS[name].cosine]
POINT_WISE = [name for name in NAMES if MODELS[name].mode == 0]
OF_TOWERS = [name for name in NAMES if MODELS[name].towers]
LEARNING = [(name, False) for name in NAMES] + [(name, True) for name in OF_TOWERS]
BASES = ("two_tower", "multi_interest", "session", "factorization")


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


@pytest.fixture
def make(name):
    return MODELS[name].make


@pytest.fixture
def make_inputs():
    return inputs


@pytest.fixture
def model(make, randomized):
    return randomized(make())


@pytest.fixture
def trained(name):
    row = MODELS[name]
    return (row.trained or row.make)()


def outputs(model, x):
    found = model(x)
    return list(found) if isinstance(found, tuple) else [found]


def towers(model, name, x):
    return [model.user_tower(x), model.item_tower(x)] if MODELS[name].towers else []


def one(x, i):
    return {name: column[i : i + 1] for name, column in x.items()}


def test_every_model_has_a_row():
    found = set(matching.__all__)
    for info in pkgutil.iter_modules(matching.__path__):
        module = import_module(f"{matching.__name__}.{info.name}")
        for name, made in inspect.getmembers(module, inspect.isclass):
            here = made.__module__ == module.__name__ and info.name not in BASES
            if here and issubclass(made, TwoTower) and made is not getattr(matching, name, None):
                found.add(f"{info.name}.{name}")
    assert found == set(MODELS)


@pytest.mark.parametrize("name", OF_TOWERS)
def test_a_mode_gives_the_embeddings_of_one_tower(model, name, make_inputs):
    interests = MODELS[name].interests
    for n in (7, 1):
        x = make_inputs(n)
        for training in (True, False):
            model.train(training)
            for mode, tower in (("user", model.user_tower), ("item", model.item_tower)):
                model.mode = mode
                found = model(x)
                several = mode == "user" and interests
                assert found.shape == ((n, interests, 8) if several else (n, 8))
                assert found.isfinite().all()
                torch.testing.assert_close(found, tower(x))
            model.mode = None
            assert all(score.isfinite().all() for score in outputs(model, x))


@pytest.mark.parametrize("name", OF_TOWERS)
def test_a_tower_reads_its_own_columns_alone(model, make_inputs):
    x = make_inputs(5)
    model.eval()
    whole = model.user_tower(x), model.item_tower(x)
    for tower, features, expected in (
        (model.user_tower, model.user_inputs, whole[0]),
        (model.item_tower, model.item_inputs, whole[1]),
    ):
        own = {f.name: x[f.name] for f in features}
        torch.testing.assert_close(tower(own), expected)
        for f in features:
            with pytest.raises(KeyError, match=f.name):
                tower({k: v for k, v in own.items() if k != f.name})


@pytest.mark.parametrize("name", BY_COSINE)
def test_embeddings_have_length_one_and_their_product_is_the_score(model, name, make_inputs):
    # training and serving rank alike
    x = make_inputs(6)
    model.temperature = 0.2
    model.eval()
    user, item = model.user_tower(x), model.item_tower(x)
    for embedding in (user, item):
        lengths = embedding.norm(dim=-1)
        torch.testing.assert_close(lengths, torch.ones_like(lengths))
    x["q"] = torch.ones(6)
    score = outputs(model, x)[0]
    score = score.logit() if name in POINT_WISE else score[:, 0] if score.dim() == 2 else score
    user = user if user.dim() == 3 else user.unsqueeze(1)
    cosine = (user * item.unsqueeze(1)).sum(dim=2).amax(dim=1)  # an item's nearest interest
    torch.testing.assert_close(score, cosine / 0.2, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", BY_COSINE)
def test_the_temperature_divides_the_cosine(make, name, make_inputs):
    x = {**make_inputs(6), "q": torch.ones(6)}
    torch.manual_seed(1)
    warm = make().eval()
    cold = make(temperature=0.1).eval()
    cold.load_state_dict(warm.state_dict())
    for first, second in zip(outputs(warm, x), outputs(cold, x)):
        if name in POINT_WISE:
            first, second = first.logit(), second.logit()
        torch.testing.assert_close(second, first * 10, rtol=1e-3, atol=1e-4)
    for wrong in (0, -1.0):
        with pytest.raises(ValueError, match="temperature must be above 0"):
            make(temperature=wrong)


WAYS = {name: row.make for name, row in MODELS.items()} | {
    f"{name}, trained": row.trained for name, row in MODELS.items() if row.trained
}


class TestEveryMatchingModel(ModelContract):
    @pytest.fixture(autouse=True, params=WAYS)
    def row(self, request):
        self.name, _, self.trained = request.param.partition(", ")
        self.make_model = WAYS[request.param]
        # YoutubeSBC compares the items of rows
        self.reads_values = self.name == "YoutubeSBC"

    def make_inputs(self, n):
        read = input_columns(self.make_model())
        return {name: column for name, column in inputs(n).items() if name in read}

    def call(self, model, x):
        scores = outputs(model, x)
        if self.name == "YoutubeSBC":  # whose other scores are of negatives from the batch
            scores = [scores[0][:, :1]]
        return scores if self.trained else [*scores, *towers(model, self.name, x)]

    def loss(self, model, x):
        loss = super().loss(model, x)
        if hasattr(model, "auxiliary_loss") and not loss.is_meta:  # it reads the values of its mask
            loss = loss + model.auxiliary_loss(x, None, None)
        return loss


@pytest.mark.parametrize("name", OF_TOWERS)
@pytest.mark.parametrize(("left", "right"), [(0, 3), (3, 0), (2, 1)])
def test_padding_says_nothing_on_either_side(model, make_inputs, left, right):
    model.eval()
    x = make_inputs(7)
    padded = {k: F.pad(v, (left, right)) if k in ("history", "next") else v for k, v in x.items()}
    torch.testing.assert_close(model.user_tower(padded), model.user_tower(x))
    torch.testing.assert_close(model.item_tower(padded), model.item_tower(x))


def test_an_empty_history_gives_finite_numbers_and_gradients(model, name, make_inputs):
    x = make_inputs(4)
    for column in ("history", "next", "other"):
        x[column] = torch.zeros_like(x[column])
    for training in (True, False):
        model.train(training).zero_grad()
        scores = outputs(model, x)
        scores += [model.user_tower(x)] if MODELS[name].towers else []
        assert all(score.isfinite().all() for score in scores)
        sum(score.sum() for score in scores).backward()
        assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("name", OF_TOWERS)
def test_histories_without_a_step_are_those_of_padding_alone(model, make_inputs):
    x = make_inputs(3)
    padding = {k: torch.zeros_like(v) if k == "history" else v for k, v in x.items()}
    none = {k: v[:, :0] if k == "history" else v for k, v in x.items()}
    expected = model.eval().user_tower(padding)
    torch.testing.assert_close(model.user_tower(none), expected)


@pytest.mark.parametrize("name", OF_TOWERS)
def test_the_same_item_is_known_by_its_columns(model, name, make_inputs):
    x = make_inputs(6)
    x["kind"][3] = x["kind"][1]
    x["item"] = x["next"][:, -1] = torch.tensor([1, 7, 3, 7, 5, 6])
    if name == "SASRec":  # whose item is the last of a sequence, whatever comes before
        x["next"][:, :-1] = torch.randint(0, 20, (6, 5))
    groups = model.item_groups(x)
    same = groups.unsqueeze(1) == groups
    expected = torch.eye(6, dtype=torch.bool)
    expected[1, 3] = expected[3, 1] = True
    assert torch.equal(same, expected)


def test_it_computes_the_same_on_another_device(
    model, name, trained, make_inputs, on_device, same_on_device
):
    x = make_inputs(5)

    def everything(x, *models):
        whole, other = (one.eval() for one in models)
        return [*outputs(whole, x), *towers(whole, name, x), *outputs(other, x)]

    expected = everything(x, model, trained)
    found = everything(on_device(x), on_device(model), on_device(trained))
    for pair in zip(found, expected, strict=True):
        same_on_device(*pair)


def test_embeddings_of_positions_do_not_drown_the_items_they_are_added_to():
    spread = {
        (model, name): module.weight.std().item()
        for model, row in MODELS.items()
        for name, module in row.make().named_modules()
        if "position" in name
    }
    assert {model for model, _ in spread} == {"BERT4Rec", "ComirecSA", "SASRec", "SINE"}
    assert max(spread.values()) < 0.05


# Learning


def planted(n, generator):
    """Everyone likes the items of one group: that of the user's number, and of the history."""
    user = torch.randint(0, 12, (n,), generator=generator)
    group = user % 4

    def of(groups, *shape):
        return torch.randint(0, 4, shape, generator=generator) * 4 + groups + 1

    def beside(groups, *shape):
        return of((groups + torch.randint(1, 4, shape, generator=generator)) % 4, *shape)

    long = group.unsqueeze(1)
    item, neg = of(group, n), beside(group, n)
    return {
        "user": user,
        "age": torch.randn(n, generator=generator),
        "history": of(long, n, 5),
        "next": of(long, n, 5),
        "other": beside(long, n, 5),
        "item": item,
        "kind": torch.randint(0, 5, (n,), generator=generator),
        "neg": neg,
        "neg_kind": torch.randint(0, 5, (n,), generator=generator),
        "q": torch.ones(n),
        "negatives": beside(long, n, 3),
    }


def loaders(mode, y_is_item=False, rows=(960, 320)):
    generator = torch.Generator().manual_seed(7)
    found = []
    for n in rows:
        x = planted(n, generator)
        y = x["item"] if y_is_item else torch.zeros(n, dtype=torch.long)
        if mode == 0:
            y[::2] = 1
            x["item"] = torch.where(y == 1, x["item"], x["neg"])
        found.append(TableLoader(TorchDataset(x, y), 64, shuffle=not found))
    return found


@pytest.mark.parametrize(("name", "in_batch"), LEARNING)
def test_it_learns_who_likes_what(name, in_batch, tmp_path, device):
    row = MODELS[name]
    mode, made = row.mode, row.make if in_batch or row.trained is None else row.trained
    train, val = loaders(mode, row.y_is_item and not in_batch)
    # of other rows' items a quarter is liked too: the best that in-batch pairs can show is 0.875
    best = 0.875 if in_batch and mode else row.best
    goal = 0.5 + 0.9 * (best - 0.5)
    trainer = MatchTrainer(
        made(),
        mode=mode,
        in_batch_neg=in_batch,
        optimizer_params={"lr": 0.02},
        n_epoch=row.n_epoch,
        callbacks=[StopOnce(lambda row: row["val/auc"] > goal)],
        model_path=tmp_path,
        device=device,
        progress=False,
    )
    trainer.fit(train, val)
    scores = [epoch["val/auc"] for epoch in trainer.history]
    assert max(scores) > goal
    # the best weights are kept; a GPU adds up in any order
    assert trainer.evaluate(trainer.model, val) == pytest.approx(max(scores), abs=1e-4)
    assert trainer.history[-1]["train/loss"] < trainer.history[0]["train/loss"]


@pytest.mark.parametrize(("name", "in_batch"), LEARNING)
def test_a_seed_trains_the_same_model(name, in_batch, seed_decides, tmp_path):
    row = MODELS[name]
    train, _ = loaders(row.mode, row.y_is_item and not in_batch, rows=(192, 64))
    settings = {"mode": row.mode, "in_batch_neg": in_batch, "n_epoch": 1, "model_path": tmp_path}
    settings["in_batch_neg_ratio"] = 3

    def fit():
        model = (row.make if in_batch or row.trained is None else row.trained)()
        MatchTrainer(model, progress=False, **settings).fit(train)
        return model

    seed_decides(fit)


@pytest.mark.parametrize("name", OF_TOWERS)
def test_what_is_served_is_what_exact_retrieval_ranks(model, tmp_path, make_inputs):
    torch.save(model.state_dict(), tmp_path / "model.pth")
    trainer = MatchTrainer(model, mode=2, in_batch_neg=True, model_path=tmp_path, progress=False)
    x = make_inputs(15)
    user, item = (
        trainer.inference_embedding(model, mode, [x], tmp_path) for mode in ("user", "item")
    )
    scores, best = top_k(user, item, k=15)
    for u, row in enumerate(user):
        expected = [max(float(v @ i) for v in row.reshape(-1, 8)) for i in item]
        assert scores[u].tolist() == pytest.approx(sorted(expected, reverse=True), abs=1e-4)
        assert [expected[i] for i in best[u]] == pytest.approx(scores[u].tolist(), abs=1e-4)
