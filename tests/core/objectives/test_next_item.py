"""Next-item targets, losses and ranks, against loops."""

import math

import pytest
import torch
from torch import nn

from torch_rechub.basic.loss_func import NCELoss
from torch_rechub.data.batch import Batch
from torch_rechub.objectives.next_item import item_loss, next_items, sequences
from torch_rechub.objectives.next_item_metrics import ranks_of


def naive_next(tokens, target):
    """[(position, item, whether it is the target)] of one row."""
    last = max((t for t, token in enumerate(tokens) if token), default=-1)
    pairs = [(t, tokens[t + 1], False) for t in range(last) if tokens[t] and tokens[t + 1]]
    return pairs + ([(last, target, True)] if last >= 0 and target else [])


ONES = torch.ones(2)
ROWS = [
    ([3, 4, 5], 6),
    ([0, 4, 5], 6),
    ([0, 0, 5], 6),
    ([3, 4, 0], 6),
    ([3, 0, 0], 6),
    ([0, 4, 0], 6),
    ([3, 0, 5], 6),  # a gap
    ([0, 0, 0], 6),
    ([3, 4, 5], 0),  # no target
    ([7, 7, 7], 7),
]


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32])
def test_each_token_predicts_the_next_and_the_last_the_target(dtype):
    tokens = torch.tensor([row for row, _ in ROWS], dtype=dtype)
    items, last = next_items(tokens, torch.tensor([target for _, target in ROWS]))
    for b, (row, target) in enumerate(ROWS):
        found = [(t, v, bool(last[b, t])) for t, v in enumerate(items[b].tolist()) if v]
        assert found == naive_next(row, target), row


def test_one_token_is_the_last():
    items, last = next_items(torch.tensor([[3], [0]]), torch.tensor([4, 4]))
    assert items.tolist() == [[4], [0]]
    assert last.tolist() == [[True], [False]]


@pytest.mark.parametrize("shape", [(2,), (2, 1)])
def test_a_batch_is_taken_apart(shape):
    batch = [torch.ones(2, 3), torch.zeros(2, 3), torch.full((2, 3), 5), torch.zeros(shape)]
    found = sequences(Batch.unpacked(batch))
    assert found.tokens is batch[0]
    assert found.time_diffs is batch[2]
    assert found.targets.shape == (2,)


@pytest.mark.parametrize("batch", [ONES, (torch.ones(2, 3), ONES), {"a": ONES}])
def test_another_batch_is_refused(batch):
    with pytest.raises(ValueError, match=r"\(tokens, positions, time_diffs, targets\)"):
        sequences(Batch.unpacked(batch))


# Losses


def naive_loss(logits, items, temperature=1.0, smoothing=0.0, weight=None):
    """Of every row, over the items from 1 on."""
    total = norm = 0.0
    for z, item in zip(logits.tolist(), items.tolist()):
        exps = [math.exp(v / temperature) for v in z[1:]]
        logs = [math.log(e / sum(exps)) for e in exps]
        w = [1.0] * len(exps) if weight is None else weight[1:]
        nll = -w[item - 1] * logs[item - 1]
        spread = -sum(a * b for a, b in zip(w, logs)) / len(exps)
        total += (1 - smoothing) * nll + smoothing * spread
        norm += w[item - 1]
    return total / norm


def rows(n=7, v=5):
    """Scores as a trainer gives them: padding is no candidate."""
    logits = torch.randn(n, v) * 2
    logits[:, 0] = -1e9
    return logits, torch.randint(1, v, (n,))


def test_cross_entropy_is_over_the_items():
    logits, items = rows()
    found = item_loss("cross_entropy", {})(logits, items)
    assert found.item() == pytest.approx(naive_loss(logits, items), rel=1e-5)


def test_its_parameters_are_those_of_torch():
    logits, items = rows()
    weight = [9.0, 1.0, 0.5, 2.0, 1.5]
    for smoothing in (0.0, 0.2):
        params = {"label_smoothing": smoothing, "reduction": "mean"}
        found = item_loss("cross_entropy", params)(logits, items)
        expected = naive_loss(logits, items, smoothing=smoothing)
        assert found.item() == pytest.approx(expected, rel=1e-5)
        params["weight"] = torch.tensor(weight)
        found = item_loss("cross_entropy", params)(logits, items)
        expected = naive_loss(logits, items, smoothing=smoothing, weight=weight)
        assert found.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("params", [{}, {"ignore_index": 0}, {"label_smoothing": 0.2}])
def test_the_first_item_counts_like_any_other(params):
    logits, items = rows()
    found = item_loss("cross_entropy", params)(logits, torch.ones_like(items))
    smoothing = params.get("label_smoothing", 0.0)
    expected = naive_loss(logits, torch.ones_like(items), smoothing=smoothing)
    assert found.item() == pytest.approx(expected, rel=1e-4)


def test_nce_divides_by_a_temperature():
    logits, items = rows()
    for params, temperature in (({}, 0.1), ({"temperature": 0.5, "ignore_index": 0}, 0.5)):
        found = item_loss("nce", params)(logits, items)
        assert found.item() == pytest.approx(naive_loss(logits, items, temperature), rel=1e-4)


@pytest.mark.parametrize(
    ("loss_type", "params", "temperature"),
    [("cross_entropy", {}, 1), ("cross_entropy", {"label_smoothing": 0.2}, 1), ("nce", {}, 0.1)],
)
def test_a_sum_and_single_losses_can_be_computed_by_hand(loss_type, params, temperature):
    logits, items = rows()
    smoothing = params.get("label_smoothing", 0.0)
    each = [
        naive_loss(logits[i : i + 1], items[i : i + 1], temperature, smoothing) for i in range(7)
    ]
    summed = item_loss(loss_type, {**params, "reduction": "sum"})(logits, items)
    assert summed.item() == pytest.approx(sum(each), rel=1e-4)
    single = item_loss(loss_type, {**params, "reduction": "none"})(logits, items)
    assert single.tolist() == pytest.approx(each, rel=1e-4)
    for reduction, nothing in (("sum", 0.0), ("none", [])):
        loss_fn = item_loss(loss_type, {**params, "reduction": reduction})
        assert loss_fn(logits[:0], items[:0]).tolist() == nothing


@pytest.mark.parametrize("loss_type", ["cross_entropy", "nce"])
def test_nothing_to_predict_is_no_loss(loss_type):
    logits = torch.randn(0, 5, requires_grad=True)
    loss = item_loss(loss_type, {})(logits, torch.empty(0, dtype=torch.long))
    assert loss.item() == 0
    loss.backward()


def test_the_losses_are_what_their_names_say():
    assert isinstance(item_loss("cross_entropy", {}), nn.CrossEntropyLoss)
    assert isinstance(item_loss("nce", {}), NCELoss)


@pytest.mark.parametrize(
    ("loss_type", "params", "message"),
    [
        ("mse", {}, "loss_type must be one of 'cross_entropy', 'nce', .*'bce', got 'mse'"),
        ("nce", {"reduction": "max"}, "reduction must be 'mean', 'sum' or 'none', got 'max'"),
        ("nce", {"temperature": 0}, "temperature must be above 0"),
    ],
)
def test_another_loss_is_refused(loss_type, params, message):
    with pytest.raises(ValueError, match=message):
        item_loss(loss_type, params)


# Ranks


def naive_rank(scores, item, excluded):
    order = [v for v in range(len(scores)) if v == item or not excluded[v]]
    order.sort(key=lambda v: (-scores[v], v))
    return order.index(item) + 1


@pytest.mark.parametrize("distinct", [1, 3, 1000])
def test_a_rank_is_the_place_in_the_sorted_list(distinct):
    scores = torch.randint(0, distinct, (60, 9)).float()
    items = torch.randint(1, 9, (60,))
    for excluded in (torch.zeros(9).bool(), torch.arange(9) == 0, torch.rand(60, 9) < 0.3):
        found = ranks_of(scores, items, excluded)
        rows = excluded.expand(60, 9).tolist()
        expected = map(naive_rank, scores.tolist(), items.tolist(), rows)
        assert found.tolist() == list(expected)


def test_infinite_and_undefined_scores():
    nan, inf = math.nan, math.inf
    scores = torch.tensor([[0, nan, 1, 2], [0, 1, nan, 0], [0, -inf, 1, inf], [0, inf, 1, inf]])
    found = ranks_of(scores, torch.tensor([1, 1, 1, 3]), torch.arange(4) == 0)
    assert found.tolist() == [3, 2, 3, 2]
