"""Each multi-task model against its formula, row by row, and the names of 0.9 in a state dict."""

import itertools
import logging
import math

import pytest
import torch

from torch_rechub.basic.features import DenseFeature, SparseFeature
from torch_rechub.models.multi_task import AITM, ESMM, MMOE, PLE, SharedBottom
from torch_rechub.models.multi_task.esmm import product_logit

USER, CITY, AGE = SparseFeature("user", 9, 4), SparseFeature("city", 5, 3), DenseFeature("age")
FEATURES = [AGE, USER, CITY]
ROWS = [
    {"user": 8, "city": 4, "age": 0.5},
    {"user": 0, "city": 0, "age": -2.0},
    {"user": 3, "city": 2, "age": 0.0},
]
X = {name: torch.tensor([row[name] for row in ROWS]) for name in ROWS[0]}
TASKS = ["classification", "regression"]
TOWERS = [{"dims": [5]}, {"dims": [4]}]
NORM = {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}


def mlp_keys(prefix, n_hidden, output):
    keys = set()
    for i in range(n_hidden):
        keys |= {f"{prefix}mlp.{4 * i}.weight", f"{prefix}mlp.{4 * i}.bias"}
        keys |= {f"{prefix}mlp.{4 * i + 1}.{name}" for name in NORM}
    if output:
        keys |= {f"{prefix}mlp.{4 * n_hidden}.weight", f"{prefix}mlp.{4 * n_hidden}.bias"}
    return keys


TABLES = {"embedding.embed_dict.user.weight", "embedding.embed_dict.city.weight"}
TOWER_KEYS = mlp_keys("towers.0.", 1, True) | mlp_keys("towers.1.", 1, True)


def softmax(scores):
    powers = [math.exp(s) for s in scores]
    return [p / sum(powers) for p in powers]


def weighted(weights, vectors):
    return [
        math.fsum(g * v for g, v in zip(weights, column, strict=True)) for column in zip(*vectors)
    ]


def check(model, naive, logits_of):
    """Compare with `logits_of(parts, v)`, the logits of one row from its flat inputs."""
    parts = naive(model.state_dict())
    for row, found in zip(ROWS, model.eval()(X).tolist(), strict=True):
        logits = logits_of(parts, parts.flat("embedding.", FEATURES, row))
        for p, logit, task in zip(found, logits, model.task_types, strict=True):
            expected = parts.sigmoid(logit) if task == "classification" else logit
            assert p == pytest.approx(expected, abs=1e-5)


def test_shared_bottom(naive, randomized):
    model = randomized(SharedBottom(FEATURES, TASKS, {"dims": [6, 5]}, TOWERS))

    def logits(parts, v):
        h = parts.mlp("bottom_mlp.mlp.", v, 2, output=False)
        return [parts.mlp(f"towers.{k}.mlp.", h, 1)[0] for k in range(2)]

    check(model, naive, logits)
    assert set(model.state_dict()) == TABLES | TOWER_KEYS | mlp_keys("bottom_mlp.", 2, False)


def test_mmoe(naive, randomized):
    model = randomized(MMOE(FEATURES, TASKS, 3, {"dims": [6]}, TOWERS))

    def logits(parts, v):
        experts = [parts.mlp(f"experts.{i}.mlp.", v, 1, output=False) for i in range(3)]
        found = []
        for k in range(2):
            f = weighted(softmax(parts.linear(f"gates.{k}.mlp.0.", v)), experts)
            found += parts.mlp(f"towers.{k}.mlp.", f, 1)
        return found

    check(model, naive, logits)
    expected = TABLES | TOWER_KEYS
    for i in range(3):
        expected |= mlp_keys(f"experts.{i}.", 1, False)
    for k in range(2):
        expected |= {f"gates.{k}.mlp.0.weight", f"gates.{k}.mlp.0.bias"}
    assert set(model.state_dict()) == expected


@pytest.mark.parametrize("n_level", [1, 2, 3])
def test_ple(naive, randomized, n_level):
    n_own, n_shared = 2, 1
    model = randomized(PLE(FEATURES, TASKS, n_level, n_own, n_shared, {"dims": [6]}, TOWERS))

    def logits(parts, v):
        h = [v, v, v]
        for level in range(n_level):
            at = f"cgc_layers.{level}."
            own = [
                [
                    parts.mlp(f"{at}experts_specific.{k * n_own + j}.mlp.", h[k], 1, output=False)
                    for j in range(n_own)
                ]
                for k in range(2)
            ]
            shared = [
                parts.mlp(f"{at}experts_shared.{j}.mlp.", h[2], 1, output=False)
                for j in range(n_shared)
            ]
            out = [
                weighted(
                    softmax(parts.linear(f"{at}gates_specific.{k}.mlp.0.", h[k])), own[k] + shared
                )
                for k in range(2)
            ]
            if level < n_level - 1:
                g = softmax(parts.linear(f"{at}gate_shared.mlp.0.", h[2]))
                out.append(weighted(g, own[0] + own[1] + shared))
            h = out
        return [parts.mlp(f"towers.{k}.mlp.", h[k], 1)[0] for k in range(2)]

    check(model, naive, logits)
    assert f"cgc_layers.{n_level - 1}.gate_shared.mlp.0.weight" not in model.state_dict()


def test_aitm_passes_information_from_each_step_to_the_next(naive, randomized):
    towers = [*TOWERS, {"dims": []}]
    model = randomized(AITM(FEATURES, 3, {"dims": [6, 5]}, towers))

    def logits(parts, v):
        z = []
        for t in range(3):
            q = parts.mlp(f"bottoms.{t}.mlp.", v, 2, output=False)
            if t == 0:
                z.append(q)
                continue
            at = f"aits.{t - 1}."
            u = [parts.mlp(f"info_gates.{t - 1}.mlp.", z[-1], 1, output=False), q]

            def times(matrix, vector, at=at):
                return [parts.dot(row, vector) for row in parts.state[f"{at}{matrix}.weight"]]

            scores = [
                parts.dot(times("q_layer", one), times("k_layer", one)) / math.sqrt(5) for one in u
            ]
            z.append(weighted(softmax(scores), [times("v_layer", one) for one in u]))
        hidden = (1, 1, 0)
        return [parts.mlp(f"towers.{t}.mlp.", z[t], hidden[t])[0] for t in range(3)]

    check(model, naive, logits)
    expected = TABLES | TOWER_KEYS | {"towers.2.mlp.0.weight", "towers.2.mlp.0.bias"}
    for t in range(3):
        expected |= mlp_keys(f"bottoms.{t}.", 2, False)
    for t in range(2):
        expected |= mlp_keys(f"info_gates.{t}.", 1, False)
        expected |= {f"aits.{t}.{name}_layer.weight" for name in "qkv"}
    assert set(model.state_dict()) == expected


def test_the_calibrator_counts_how_far_a_later_step_is_likelier():
    p = torch.tensor([[0.5, 0.7, 0.1], [0.5, 0.2, 0.6]])
    excess = [0.7 - 0.5, 0.0, 0.0, 0.6 - 0.2]
    model = AITM(FEATURES, 3, {"dims": [4]}, [{}] * 3)
    assert model.auxiliary_loss(X, p, p).item() == pytest.approx(0.6 * sum(excess) / 2)
    other = AITM(FEATURES, 3, {"dims": [4]}, [{}] * 3, calibrator_weight=2.0)
    assert other.auxiliary_loss(X, p, p).item() == pytest.approx(2.0 * sum(excess) / 2)
    assert AITM(FEATURES, 1, {"dims": [4]}, [{}]).auxiliary_loss(X, p[:, :1], p).item() == 0


def test_labels_against_the_funnel_switch_the_calibrator_off(caplog):
    funnel = torch.tensor([[1.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    model = AITM(FEATURES, 2, {"dims": [4]}, [{}] * 2)
    with caplog.at_level(logging.WARNING):
        model.check_labels(funnel)
    assert (model.calibrator_weight, caplog.text) == (0.6, "")
    for _ in range(2):
        model.check_labels(funnel.flip(1))
    assert model.calibrator_weight == 0
    assert caplog.text.count("Column 1 of y has more positives than column 0") == 1
    assert model.auxiliary_loss(X, torch.tensor([[0.1, 0.9]]), funnel).item() == 0


def test_esmm(naive, randomized):
    model = randomized(ESMM([AGE, USER], [CITY], {"dims": [6]}, {"dims": [5, 4]})).eval()
    parts = naive(model.state_dict())
    for row, found in zip(ROWS, model(X).tolist(), strict=True):
        v = parts.flat("embedding.", [AGE, USER], row) + parts.flat("embedding.", [CITY], row)
        cvr = parts.sigmoid(parts.mlp("tower_cvr.mlp.", v, 1)[0])
        ctr = parts.sigmoid(parts.mlp("tower_ctr.mlp.", v, 2)[0])
        assert found == pytest.approx([cvr, ctr, cvr * ctr], abs=1e-6)
    expected = mlp_keys("tower_cvr.", 1, True) | mlp_keys("tower_ctr.", 2, True)
    assert set(model.state_dict()) == TABLES | expected
    assert ESMM([], [CITY], {}, {})(X).shape == (3, 3)


POSSIBLE = [[1, 1, 1], [0, 1, 0], [1, 0, 0], [0, 0, 0]]  # conversion, click, both


@pytest.mark.parametrize("row", list(itertools.product([0, 1], repeat=3)))
def test_esmm_refuses_labels_that_are_no_click_with_its_conversion(row):
    labels = torch.tensor([[0, 1, 0], [0, 1, 0], list(row)])
    model = ESMM([AGE, USER], [CITY], {}, {})
    if list(row) in POSSIBLE:
        model.check_labels(labels)
    else:
        with pytest.raises(ValueError, match=rf"row 2 is \[{row[0]}, {row[1]}, {row[2]}\]"):
            model.check_labels(labels.float())


def test_esmm_warns_once_of_more_conversions_than_clicks(caplog):
    labels = torch.tensor([[0.0, 1.0, 0.0], [1.0, 1.0, 1.0], [0.0, 0.0, 0.0]])
    model = ESMM([AGE, USER], [CITY], {}, {})
    model.check_labels(labels)
    assert caplog.text == ""
    for _ in range(2):
        model.check_labels(labels[:, [1, 0, 2]])
    assert caplog.text.count("more conversions (column 0) than clicks (column 1)") == 1


def test_the_logit_of_a_product_of_probabilities():
    grid = torch.linspace(-12, 12, 13, dtype=torch.float64)
    a, b = torch.meshgrid(grid, grid, indexing="ij")
    product = a.sigmoid() * b.sigmoid()
    torch.testing.assert_close(product_logit(a, b), product.logit(), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize(
    ("a", "b"), [(300.0, 200.0), (-300.0, 5.0), (300.0, -300.0), (-99.0, -99.0)]
)
def test_it_keeps_its_gradient_where_the_product_rounds_to_0_or_1(a, b):
    x = torch.tensor([a, b], requires_grad=True)
    logit = product_logit(x[0], x[1])
    # the smaller of the two decides; both do where both are far below 0
    assert logit.item() == pytest.approx(a + b if max(a, b) < 0 else min(a, b), rel=1e-3)
    logit.backward()
    assert torch.isfinite(x.grad).all()
    assert x.grad.max() > 0.99
