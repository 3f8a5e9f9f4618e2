"""SeqTrainer: the loss it trains on, what it evaluates, and that it ends as every trainer does."""

import copy
import math
import runpy

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader, IterableDataset, Subset, TensorDataset

from core.training.batch_losses import count_of, loss_of
from torch_rechub.models.generative import HSTUModel
from torch_rechub.trainers import SeqTrainer
from torch_rechub.utils.data import SequenceDataGenerator

V, L, N = 12, 5, 30


def tables(n=N, pad="both", seed=5):
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(1, V, (n, L), generator=generator)
    for b in range(n):
        if pad in ("left", "both") and b % 3 == 1:
            tokens[b, : b % L] = 0
        if pad in ("right", "both") and b % 3 == 2:
            tokens[b, b % L + 1 :] = 0
    times = torch.randint(0, 9999, (n, L), generator=generator)
    targets = torch.randint(1, V, (n,), generator=generator)
    return tokens, torch.arange(L).expand(n, L), times, targets


def loader(*columns, batch_size=8, **kwargs):
    return DataLoader(TensorDataset(*columns), batch_size, **kwargs)


class Bigram(nn.Module):
    """Logits that depend on the token alone; `forward` is all it has."""

    def __init__(self, logits=None):
        super().__init__()
        self.w = nn.Parameter(torch.randn(V, V) if logits is None else logits)
        self.vocab_size = V

    def forward(self, x, time_diffs=None):
        return self.w[x]


def predictions(batch):
    """[(row, position, item, whether it is the target)], from the definition."""
    tokens, _, _, targets = (column.tolist() for column in batch)
    found = []
    for b, row in enumerate(tokens):
        valid = [t for t, token in enumerate(row) if token]
        found += [(b, t, row[t + 1], False) for t in valid[:-1]]
        if valid and targets[b]:
            found.append((b, valid[-1], targets[b], True))
    return found


def log_softmax(logits):
    """Over the items: class 0 is padding."""
    total = math.log(math.fsum(math.exp(z) for z in logits[1:]))
    return [z - total for z in logits]


def naive_evaluation(model, batches):
    losses, right = [], []
    for batch in batches:
        logits = model(batch[0], batch[2]).tolist()
        for b, t, item, is_target in predictions(batch):
            losses.append(-log_softmax(logits[b][t])[item])
            if is_target:
                right.append(max(range(1, V), key=lambda v, z=logits[b][t]: z[v]) == item)
    return math.fsum(losses) / len(losses), sum(right) / len(right)


@pytest.fixture
def make_hstu():
    def make(seed=1, **kwargs):
        torch.manual_seed(seed)
        sizes = {"d_model": 8, "n_heads": 2, "n_layers": 1, "dqk": 4, "dv": 4, "max_seq_len": L}
        return HSTUModel(V, **{**sizes, "dropout": 0.0, **kwargs})

    return make


@pytest.fixture
def make(make_hstu, tmp_path):
    def make(model=None, **kwargs):
        settings = {
            "optimizer_params": {"lr": 0.05},
            "n_epoch": 2,
            "model_path": tmp_path / "model",
            "progress": False,
            **kwargs,
        }
        return SeqTrainer(make_hstu() if model is None else model, **settings)

    return make


@pytest.fixture
def loaders():
    """Training on 22 rows in batches of 8, the last one of 6, in order; validation on 8."""
    columns = tables()
    return (
        loader(*(c[:22] for c in columns)),
        loader(*(c[22:] for c in columns), batch_size=3),
    )


def close(first, second):
    for name, value in first.state_dict().items():
        torch.testing.assert_close(value, second.state_dict()[name], rtol=1e-4, atol=1e-5)


# Training


@pytest.mark.parametrize("kind", ["hidden states", "logits alone"])
def test_the_loss_recorded_is_the_mean_over_predictions_and_the_weights_follow_it(
    make, make_hstu, loaders, kind
):
    # batches of different numbers of predictions: a mean over batches or rows would differ
    model = make_hstu() if kind == "hidden states" else Bigram()
    by_hand = copy.deepcopy(model)
    trainer = make(model, optimizer_fn=torch.optim.SGD, optimizer_params={"lr": 0.5}, n_epoch=3)
    history = trainer.fit(loaders[0])

    optimizer = torch.optim.SGD(by_hand.parameters(), lr=0.5)
    means = []
    for _ in range(3):
        losses = []
        for batch in loaders[0]:
            logits = by_hand(batch[0], batch[2])
            rows, positions, items, _ = zip(*predictions(batch))
            z = logits[list(rows), list(positions)]
            chosen = z[range(len(items)), list(items)]
            terms = z[:, 1:].exp().sum(dim=1).log() - chosen
            optimizer.zero_grad()
            terms.mean().backward()
            optimizer.step()
            losses += terms.tolist()
        means.append(math.fsum(losses) / len(losses))
    assert history["train_loss"] == pytest.approx(means, rel=1e-5)
    close(trainer.model, by_hand)


def test_a_pass_returns_the_mean_loss(make, loaders):
    trainer = make(Bigram(), optimizer_fn=torch.optim.SGD, optimizer_params={"lr": 0.0})
    expected, _ = naive_evaluation(trainer.model, list(loaders[0]))
    assert trainer.train_one_epoch(loaders[0]) == pytest.approx(expected, rel=1e-5)


def test_padding_neither_predicts_nor_is_predicted_at_either_end(make):
    whole = tables(pad="none")
    losses = []
    for left, right in ((0, 0), (3, 0), (0, 3), (2, 1)):
        tokens, positions, times = (
            nn.functional.pad(column, (left, right)) for column in whole[:3]
        )
        batch = (tokens, positions, times, whole[3])
        trainer = make(Bigram(torch.eye(V) * 3))
        losses.append(loss_of(trainer, batch).item())
        assert count_of(trainer, batch) == N * L
    assert losses == pytest.approx([losses[0]] * 4, rel=1e-5)


def test_padded_batches_train_hstu_the_same(make, make_hstu):
    whole = tables(pad="none")
    models = []
    for left, right in ((0, 0), (4, 0), (0, 4)):
        columns = [nn.functional.pad(column, (left, right)) for column in whole[:3]]
        trainer = make(
            make_hstu(max_seq_len=L + 4), optimizer_fn=torch.optim.SGD, optimizer_params={"lr": 0.5}
        )
        trainer.fit(loader(*columns, whole[3]))
        models.append(trainer.model)
    close(models[0], models[1])
    close(models[0], models[2])


def test_a_batch_without_predictions_changes_nothing(make, make_hstu, loaders):
    # all targets ignored used to be a loss over padding
    tokens, positions, times, targets = tables(8)
    empty = (torch.zeros_like(tokens), positions, times, targets)
    for model in (make_hstu(), Bigram()):
        trainer = make(model, optimizer_fn=torch.optim.SGD)
        before = copy.deepcopy(model.state_dict())
        assert loss_of(trainer, empty).item() == 0
        plain = trainer.evaluate(loaders[1])
        assert trainer.evaluate([empty, *loaders[1], empty]) == pytest.approx(plain)
        with pytest.raises(ValueError, match="yielded no batch with anything to learn from"):
            trainer.train_one_epoch([empty])
        assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())


@pytest.mark.parametrize("loss_type", ["cross_entropy", "nce"])
def test_the_loss_by_its_name(make, loaders, loss_type):
    trainer = make(
        Bigram(),
        loss_type=loss_type,
        loss_params={"temperature": 0.5} if loss_type == "nce" else None,
    )
    batch = next(iter(loaders[0]))
    scaled = Bigram(trainer.model.w.detach() * (2 if loss_type == "nce" else 1))
    assert loss_of(trainer, batch).item() == pytest.approx(
        naive_evaluation(scaled, [batch])[0], rel=1e-5
    )


@pytest.mark.parametrize("loss_type", ["cross_entropy", "nce"])
def test_padding_is_no_candidate_and_gets_no_gradient(make, loss_type):
    logits = torch.randn(V, V)
    batch = tables()
    losses = []
    for high in (-5.0, 8.0):
        logits[:, 0] = high  # what padding scores does not matter
        trainer = make(Bigram(logits.clone()), loss_type=loss_type)
        loss = loss_of(trainer, batch)
        loss.backward()
        losses.append(loss.item())
        assert (trainer.model.w.grad[:, 0] == 0).all()
        assert (trainer.model.w.grad[1:, 1:] != 0).any(dim=1).all()
        assert trainer.model.w[0, 0] == high
    assert losses[0] == losses[1]


def test_an_unknown_loss_is_refused(make):
    with pytest.raises(ValueError, match=r"'cross_entropy', 'nce', .*, got 'mse'"):
        make(loss_type="mse")


@pytest.mark.parametrize("reduction", ["sum", "none"])
@pytest.mark.parametrize("loss_type", ["cross_entropy", "nce"])
def test_a_reduction_is_for_losses_by_hand_and_refused_in_training(
    make, loaders, reduction, loss_type, fake_logger
):
    params = {"reduction": reduction}
    trainer = make(loss_type=loss_type, loss_params=params, model_logger=fake_logger)
    mean = make(loss_type=loss_type)
    logits, items = torch.randn(6, V), torch.tensor([1, 2, 3, 0, 4, 1])  # 0 is ignored
    by_hand = trainer.loss_fn(logits, items).sum()
    torch.testing.assert_close(by_hand, 5 * mean.loss_fn(logits, items))
    assert trainer.evaluate(loaders[1]) == pytest.approx(mean.evaluate(loaders[1]), rel=1e-5)
    for train in (trainer.fit, trainer.train_one_epoch):
        with pytest.raises(ValueError, match=f"reduction='{reduction}' is for losses .* by hand"):
            train(loaders[0])
    assert fake_logger.calls == []


def test_a_replaced_loss_is_used(make, loaders):
    trainer = make(Bigram())
    seen = []

    class Spy(nn.CrossEntropyLoss):
        def forward(self, logits, items):
            seen.append((tuple(logits.shape), items.min().item()))
            return super().forward(logits, items)

    trainer.loss_fn = Spy()
    batch = next(iter(loaders[0]))
    assert loss_of(trainer, batch).item() > 0
    assert seen == [((len(predictions(batch)), V), min(p[2] for p in predictions(batch)))]


def markov(n, length, rate=0.9, seed=0):
    """Sequences in which a token is followed by its successor in a planted cycle."""
    generator = torch.Generator().manual_seed(seed)
    after = torch.randperm(V - 1, generator=torch.Generator().manual_seed(9)) + 1
    tokens = torch.randint(1, V, (n, length + 1), generator=generator)
    for t in range(1, length + 1):
        follow = torch.rand(n, generator=generator) < rate
        tokens[follow, t] = after[tokens[follow, t - 1] - 1]
    return tokens


@pytest.mark.parametrize("loss_type", ["cross_entropy", "nce"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_it_learns_what_follows_what(make, make_hstu, loss_type, side):
    data = []
    for n, seed in ((300, 0), (100, 1)):
        tokens = markov(n, L, seed=seed)
        x, targets = tokens[:, :-1].clone(), tokens[:, -1].clone()
        for b in range(0, n, 2):
            if side == "left":
                x[b, :2] = 0
            else:
                x[b, 3:], targets[b] = 0, tokens[b, 3]
        data.append(loader(x, x, torch.zeros_like(x), targets, batch_size=20, shuffle=n == 300))
    trainer = make(
        make_hstu(d_model=16, dropout=0.1),
        loss_type=loss_type,
        optimizer_params={"lr": 0.02},
        n_epoch=6,
    )
    history = trainer.fit(*data)
    assert max(history["val_accuracy"]) > 0.8  # 1 / 11 by chance
    assert trainer.evaluate(data[1])[1] == max(history["val_accuracy"])
    assert trainer.evaluate_topk(data[1], [1])["hit@1"] == pytest.approx(
        max(history["val_accuracy"])
    )


# Evaluation


@pytest.mark.parametrize("pad", ["none", "left", "right", "both"])
@pytest.mark.parametrize("batch_size", [1, 4, N])
def test_evaluation_is_a_loop_over_predictions(make, make_hstu, pad, batch_size):
    data = loader(*tables(pad=pad), batch_size=batch_size)
    for model in (make_hstu(), Bigram()):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.normal_()
        found = make(model).evaluate(data)
        assert found == pytest.approx(naive_evaluation(model, list(data)), rel=1e-5)
        assert all(type(value) is float for value in found)
        assert found[1] == naive_evaluation(model, list(data))[1]  # to the last digit


@pytest.mark.parametrize(
    ("tokens", "at"), [([3, 4, 5], 2), ([0, 0, 4], 2), ([3, 4, 0], 1), ([3, 0, 0], 0)]
)
def test_the_target_is_asked_of_the_last_token(make, tokens, at):
    class ByPosition(Bigram):
        def forward(self, x, time_diffs=None):
            return (self.w[: x.shape[1]] * 9).expand(len(x), -1, -1)

    trainer = make(ByPosition(torch.eye(V).roll(1, dims=1)))  # position t says t + 1
    x = torch.tensor([tokens])
    right = [
        target
        for target in range(1, 6)
        if trainer.evaluate([(x, x, x, torch.tensor([target]))])[1] == 1
    ]
    assert right == [at + 1]


def test_padding_is_never_the_answer(make):
    logits = torch.zeros(V, V)
    logits[:, 0], logits[:, 7] = 9.0, 5.0
    trainer = make(Bigram(logits))
    x = torch.tensor([[1, 2]])
    assert trainer.evaluate([(x, x, x, torch.tensor([7]))])[1] == 1.0
    assert trainer.evaluate_topk([(x, x, x, torch.tensor([7]))], [1])["hit@1"] == 1.0


def test_sequences_without_a_token_or_a_target_do_not_count(make):
    trainer = make(Bigram())
    columns = tables(20, pad="none")
    plain = trainer.evaluate(loader(*columns)), trainer.evaluate_topk(loader(*columns), [3])
    nothing = torch.zeros(2, L, dtype=torch.long)
    more = [torch.cat([c, nothing[:, :1] if c.dim() == 1 else nothing]) for c in columns[:3]]
    more.append(torch.cat([columns[3], torch.tensor([3, 3])]))
    found = trainer.evaluate(loader(*more)), trainer.evaluate_topk(loader(*more), [3])
    assert found[0] == pytest.approx(plain[0])
    assert found[1] == pytest.approx(plain[1])
    loss, accuracy = trainer.evaluate([(*columns[:3], torch.zeros(20, dtype=torch.long))])
    assert math.isnan(accuracy)
    assert not math.isnan(loss)  # of what the sequences themselves predict


def test_nothing_to_evaluate_is_nan(make, caplog):
    trainer = make(Bigram())
    assert all(map(math.isnan, trainer.evaluate([])))
    assert all(map(math.isnan, trainer.evaluate_topk([]).values()))
    assert "reported as NaN" in caplog.text


@pytest.mark.parametrize("exclude_seen", [False, True])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("pad", ["left", "right"])
def test_metrics_of_the_first_k_are_those_of_a_sorted_list(make, exclude_seen, tied, pad):
    logits = torch.randint(0, 3, (V, V)).float() if tied else torch.randn(V, V)
    data = loader(*tables(pad=pad), batch_size=7)
    ks = [1, 3, 20]
    expected = {f"{name}@{k}": [] for k in ks for name in ("hit", "ndcg", "mrr")}
    for batch in data:
        for b, t, item, is_target in predictions(batch):
            if is_target:
                row = batch[0][b].tolist()
                items = [v for v in range(1, V) if not (exclude_seen and v in row)]
                scores = logits[row[t]].tolist()
                ranking = sorted(items, key=lambda v, s=scores: (-s[v], v))
                rank = ranking.index(item) + 1 if item in ranking else math.inf
                for k in ks:
                    expected[f"hit@{k}"].append(rank <= k)
                    expected[f"ndcg@{k}"].append((rank <= k) / math.log2(rank + 1))
                    expected[f"mrr@{k}"].append((rank <= k) / rank)
    found = make(Bigram(logits)).evaluate_topk(data, topKs=ks, exclude_seen=exclude_seen)
    assert found == pytest.approx({name: sum(v) / len(v) for name, v in expected.items()})
    assert all(type(value) is float for value in found.values())


@pytest.mark.parametrize("pad", ["left", "right"])
def test_predictions_are_the_scores_after_the_last_token(make, make_hstu, pad):
    """Those of a model without encoder and output layer, and of one with both."""
    tokens, positions, times, targets = tables(pad=pad)
    kept = (tokens != 0).any(dim=1)
    columns = [column[kept] for column in (tokens, positions, times, targets)]
    for model in (Bigram(torch.randn(V, V)), make_hstu()):
        trainer = make(model)
        found = trainer.predict(trainer.model, loader(*columns, batch_size=5))
        assert found.shape == (int(kept.sum()), V)
        assert found[:, 0].isneginf().all()
        with torch.no_grad():
            logits = trainer.model.eval()(columns[0], columns[2])
        for row, its, scores in zip(columns[0].tolist(), logits, found, strict=True):
            last = max(t for t, token in enumerate(row) if token)
            torch.testing.assert_close(scores[1:], its[last, 1:])


def test_sequences_without_tokens_have_no_predictions(make):
    trainer = make(Bigram())
    zeros = torch.zeros(2, 3, dtype=torch.long)
    with pytest.raises(ValueError, match="a sequence has no token"):
        trainer.predict(trainer.model, loader(zeros, zeros, zeros, torch.ones(2).long()))


def test_the_first_of_the_first_k_is_the_accuracy(make, loaders):
    trainer = make()
    assert trainer.evaluate_topk(loaders[1], [1])["hit@1"] == trainer.evaluate(loaders[1])[1]
    assert list(trainer.evaluate_topk(loaders[1])) == ["hit@10", "ndcg@10", "mrr@10"]


@pytest.mark.parametrize("ks", [[], [0], 5])
def test_impossible_ks_are_refused(make, loaders, ks):
    with pytest.raises(ValueError, match="topKs must be"):
        make().evaluate_topk(loaders[1], ks)


def test_a_model_in_parts_is_asked_only_where_something_is_predicted(make, make_hstu, loaders):
    model = make_hstu()
    rows = []
    terms = model.score_terms
    model.score_terms = lambda h: (rows.append(len(h)), terms(h))[1]
    batch = next(iter(loaders[0]))
    trainer = make(model)
    loss_of(trainer, batch)
    trainer.evaluate_topk([batch])
    targets = [p for p in predictions(batch) if p[3]]
    assert rows == [len(predictions(batch)), len(targets)]


@pytest.mark.parametrize("in_parts", [True, False])
def test_a_compiled_model_trains_the_same(make, make_hstu, loaders, in_parts):
    plain = make(make_hstu() if in_parts else Bigram(torch.eye(V)))
    model = torch.compile(copy.deepcopy(plain.model), backend="eager")
    compiled = make(model)
    expected = plain.fit(*loaders)
    assert compiled.fit(*loaders) == {n: pytest.approx(v) for n, v in expected.items()}
    close(compiled.model._orig_mod, plain.model)


# Records, and the end of a run


def test_what_is_recorded(make, loaders, fake_logger):
    trainer = make(n_epoch=3, model_logger=fake_logger)
    history = trainer.fit(*loaders)
    keys = ["train/loss", "learning_rate", "val/loss", "val/accuracy"]
    assert [list(row) for row in fake_logger.metrics] == [keys] * 3
    assert fake_logger.steps == [0, 1, 2]
    assert fake_logger.order == ["log_hyperparams", *["log_metrics"] * 3, "finish"]
    told = {
        name: [row[key] for row in fake_logger.metrics]
        for name, key in zip(history, ("train/loss", "val/loss", "val/accuracy"))
    }
    assert history == told
    assert list(history) == ["train_loss", "val_loss", "val_accuracy"]
    assert fake_logger.calls[0][1]["loss_type"] == "cross_entropy"
    assert fake_logger.calls[0][1]["trainer"] == "SeqTrainer"


def test_without_validation(make, loaders, fake_logger):
    history = make(model_logger=fake_logger).fit(loaders[0])
    assert [list(row) for row in fake_logger.metrics] == [["train/loss", "learning_rate"]] * 2
    assert (len(history["train_loss"]), history["val_loss"], history["val_accuracy"]) == (2, [], [])


class Boom(Exception):
    pass


def script(trainer, accuracies):
    """Gives the accuracies and keeps each epoch's weights."""
    weights, given = [], iter(accuracies)

    def evaluate(data_loader):
        weights.append(copy.deepcopy(trainer.model.state_dict()))
        value = next(given)
        if isinstance(value, BaseException):
            raise value
        return 1.0, value

    trainer.evaluate = evaluate
    return weights


@pytest.mark.parametrize(
    ("given", "kept", "epochs", "error"),
    [
        ([0.5, 0.8, 0.7, 0.6], 1, 4, None),
        ([0.0, 0.0, 0.1, 0.0, 0.0], 2, 5, None),
        ([0.0, 0.0, 0.0], 0, 3, None),
        ([0.1, 0.2, 0.3, 0.4, 0.5], 4, 5, None),
        ([0.5, 0.8, math.nan, 0.7], 1, 4, None),
        ([0.5, 0.8, 0.7, Boom()], 1, 3, Boom),
        ([0.5, 0.8, 0.7, KeyboardInterrupt()], 1, 3, KeyboardInterrupt),
    ],
    ids=["stopped", "0 at first", "0 throughout", "exhausted", "undefined", "error", "ctrl-c"],
)
def test_the_best_epochs_weights_are_kept_and_the_stopping_epoch_is_recorded(
    make, loaders, fake_logger, same_weights, saved, given, kept, epochs, error
):
    trainer = make(n_epoch=5, earlystop_patience=2, model_logger=fake_logger)
    weights = script(trainer, given)
    if error is None:
        trainer.fit(*loaders)
    else:
        with pytest.raises(error):
            trainer.fit(*loaders)
    assert fake_logger.steps == list(range(epochs))
    assert fake_logger.order[-1] == "finish"
    assert [row["val/accuracy"] for row in trainer.history] == pytest.approx(
        given[:epochs], nan_ok=True
    )
    assert same_weights(trainer.model.state_dict(), weights[kept])
    assert same_weights(saved(), weights[kept])


def test_the_loss_decides_on_request(make, loaders, fake_logger, same_weights, saved):
    trainer = make(n_epoch=9, earlystop_patience=2, model_logger=fake_logger, monitor="val/loss")
    weights, given = [], iter([(3.0, 0.9), (1.5, 0.1), (2.0, 0.2), (1.6, 0.3)])

    def evaluate(data_loader):
        weights.append(copy.deepcopy(trainer.model.state_dict()))
        return next(given)

    trainer.evaluate = evaluate
    trainer.fit(*loaders)
    assert fake_logger.steps == [0, 1, 2, 3], "two epochs were no better than the second"
    assert same_weights(trainer.model.state_dict(), weights[1])
    assert same_weights(saved(), weights[1])


def test_what_decides_is_a_metric_of_validation(make):
    with pytest.raises(
        ValueError, match=r"monitor must be .*'val/loss', 'val/accuracy', 'train/loss', got 'auc'"
    ):
        make(monitor="auc")


@pytest.mark.parametrize(
    ("scheduler_fn", "params"),
    [
        (lr_scheduler.StepLR, {"step_size": 1, "gamma": 0.5}),
        (lr_scheduler.CosineAnnealingLR, {"T_max": 3}),
        (lr_scheduler.ReduceLROnPlateau, {"mode": "max", "patience": 5}),
        (lr_scheduler.OneCycleLR, {"max_lr": 0.1, "total_steps": 9, "scheduler_step": "batch"}),
    ],
)
def test_any_schedule(make, loaders, scheduler_fn, params):
    params = dict(params)
    pace = {"scheduler_step": params.pop("scheduler_step", "epoch")}
    trainer = make(n_epoch=3, scheduler_fn=scheduler_fn, scheduler_params=params, **pace)
    trainer.fit(*loaders)
    rates = [row["learning_rate"] for row in trainer.history]
    if scheduler_fn is lr_scheduler.StepLR:
        assert rates == [0.05, 0.025, 0.0125]
    if scheduler_fn is lr_scheduler.ReduceLROnPlateau:
        assert trainer.scheduler.best == max(row["val/accuracy"] for row in trainer.history)
    assert len(rates) == 3


def test_a_resumed_training_ends_in_the_same_weights(make, make_hstu, tmp_path, same_weights):
    columns = tables()

    def run(folder, n_epoch, resume=True):
        torch.manual_seed(0)
        trainer = make(make_hstu(dropout=0.3), n_epoch=n_epoch, model_path=tmp_path / folder)
        data = loader(*columns, shuffle=True), loader(*columns)
        return trainer, trainer.fit(*data, resume=resume)

    unbroken, history = run("a", 4)
    run("b", 2)
    resumed, found = run("b", 4)
    assert found == history
    assert same_weights(resumed.model.state_dict(), unbroken.model.state_dict())


class Stream(IterableDataset):
    def __init__(self, columns):
        self.columns = columns

    def __iter__(self):
        yield from zip(*(c.split(8) for c in self.columns))


def test_streams_train_and_validate(make):
    data = DataLoader(Stream(tables()), batch_size=None)
    history = make().fit(data, data)
    assert len(history["val_accuracy"]) == 2


def test_a_seed_gives_the_same_training(make, make_hstu, same_weights):
    states = []
    for seed in (0, 0, 1):
        trainer = make(make_hstu(dropout=0.3))
        torch.manual_seed(seed)
        trainer.fit(loader(*tables(), shuffle=True))
        states.append(trainer.model.state_dict())
    assert same_weights(states[0], states[1])
    assert not same_weights(states[0], states[2])


# Errors before the first step


def wrong(which, value):
    columns = list(tables())
    columns[which] = columns[which].clone()
    columns[which].view(-1)[-1] = value
    return columns


def tensors(columns):
    return loader(*columns)


def sequences(columns):
    tokens, positions, times, targets = columns
    data = SequenceDataGenerator(tokens, positions, targets, times)
    return data.generate_dataloader(batch_size=8)[0]


@pytest.mark.parametrize("make_loader", [tensors, sequences])
@pytest.mark.parametrize("value", [V, -3])
@pytest.mark.parametrize(("which", "name"), [(0, "tokens"), (3, "targets")])
@pytest.mark.parametrize("part", ["train", "val"])
def test_a_token_outside_the_vocabulary_is_named_before_training(
    make, loaders, which, name, value, part, make_loader
):
    trainer = make()
    before = copy.deepcopy(trainer.model.state_dict())
    data = make_loader(wrong(which, value))
    with pytest.raises(IndexError, match=rf"'{name}': id {value} .*vocab_size={V} allows ids 0 to"):
        trainer.fit(*((data, loaders[1]) if part == "train" else (loaders[0], data)))
    assert trainer.history == []
    assert all(torch.equal(before[k], v) for k, v in trainer.model.state_dict().items())


@pytest.mark.parametrize(("which", "name"), [(0, "tokens"), (3, "targets")])
def test_and_in_a_stream_when_it_comes(make, which, name):
    with pytest.raises(IndexError, match=f"'{name}': id {V}"):
        make().fit(DataLoader(Stream(wrong(which, V)), batch_size=None))


def test_targets_of_rows_that_are_not_used_do_not_matter(make):
    def losses(columns):
        data = (TensorDataset(*columns), sequences(columns).dataset)
        parts = [DataLoader(Subset(rows, range(N - 1)), 8) for rows in data]
        return [make_seeded().fit(part, part)["train_loss"] for part in parts]

    def make_seeded():
        torch.manual_seed(1)
        return make()

    assert losses(wrong(3, V)) == losses(tables())


def test_other_batches_are_refused(make):
    tokens, *_, targets = tables()
    with pytest.raises(ValueError, match=r"\(tokens, positions, time_diffs, targets\)"):
        make().fit(loader(tokens, targets))


def test_targets_of_one_column_and_batches_of_one_row(make, loaders):
    trainer = make(Bigram())
    batch = next(iter(loaders[0]))
    column = (*batch[:3], batch[3].unsqueeze(1))
    assert loss_of(trainer, column).item() == loss_of(trainer, batch).item()
    assert trainer.evaluate([column]) == trainer.evaluate([batch])
    one = loader(*tables(3), batch_size=1)
    assert len(make().fit(one, one)["train_loss"]) == 2


SCRIPT = """
import numpy as np
import torch
from torch_rechub.models.generative.hstu import HSTUModel
from torch_rechub.trainers.seq_trainer import SeqTrainer
from torch_rechub.utils.data import SequenceDataGenerator

torch.manual_seed(2022)
rng = np.random.default_rng(2022)
n, length, vocab_size = 400, 8, 15
start = rng.integers(0, vocab_size - 1, (n, 1))
tokens = (start + 3 * np.arange(length + 1)) % (vocab_size - 1) + 1
seq_tokens, targets = tokens[:, :-1], tokens[:, -1]
seq_tokens[::2, :3] = 0
seq_positions = np.tile(np.arange(length), (n, 1))
seq_time_diffs = np.sort(rng.integers(0, 86400, (n, length)))[:, ::-1].copy()
generator = SequenceDataGenerator(seq_tokens, seq_positions, targets, seq_time_diffs)
train_loader, val_loader, test_loader = generator.generate_dataloader(
    batch_size=32, num_workers=0, split_ratio=(0.7, 0.1, 0.2), shuffle=True
)
model = HSTUModel(vocab_size, 16, 2, 2, 8, 8, length, 0.1, True, 32, "sqrt", 1.0, "minutes")
trainer = SeqTrainer(
    model,
    optimizer_fn=torch.optim.Adam,
    optimizer_params={"lr": 1e-2, "weight_decay": 1e-5},
    scheduler_fn=torch.optim.lr_scheduler.StepLR,
    scheduler_params={"step_size": 2, "gamma": 0.8},
    n_epoch=4,
    earlystop_patience=3,
    device="cpu",
    model_path="saved",
    loss_type="nce",
    loss_params={"temperature": 0.1, "ignore_index": 0},
)
history = trainer.fit(train_loader, val_loader)
test_loss, test_accuracy = trainer.evaluate(test_loader)
"""


def test_a_script_of_0_9(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "script.py").write_text(SCRIPT)
    found = runpy.run_path("script.py")
    assert found["test_accuracy"] > 0.9
    assert 0 < found["test_loss"] < 1
    assert {name: len(values) for name, values in found["history"].items()} == {
        name: len(found["trainer"].history) for name in ("train_loss", "val_loss", "val_accuracy")
    }
    assert [file.name for file in (tmp_path / "saved").iterdir()] == ["model.pth"]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("norm", ["none", "l2"])
@pytest.mark.parametrize(
    "loss", [{}, {"loss_type": "nce"}, {"loss_type": "nce", "loss_params": {"temperature": 0.5}}]
)
def test_training_without_logits_is_training_with_them(make, make_hstu, loaders, norm, loss):
    class Whole(HSTUModel):
        """Says nothing of its parts, so that it is asked for logits."""

        def forward(self, x, time_diffs=None):
            return super().forward(x, time_diffs)

    batch = next(iter(loaders[0]))
    model = make_hstu(score_norm=norm, dropout=0.0)
    whole = copy.deepcopy(model)
    whole.__class__ = Whole
    losses = []
    for one in (model, whole):
        loss_of_batch = loss_of(make(one, **loss), batch)
        loss_of_batch.backward()
        losses.append(loss_of_batch.detach())
    torch.testing.assert_close(*losses)
    for name, p in model.named_parameters():
        other = dict(whole.named_parameters())[name].grad
        torch.testing.assert_close(p.grad, other, atol=1e-6, rtol=1e-4, msg=name)
