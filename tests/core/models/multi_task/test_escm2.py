"""ESCM² against its formula, row by row; what its regularizer teaches and to whom."""

import itertools
import math

import pytest
import torch

from torch_rechub.basic.features import DenseFeature, SparseFeature
from torch_rechub.models.multi_task import ESCM2, ESMM
from torch_rechub.trainers import MTLTrainer

USER, ITEM, AGE = SparseFeature("user", 9, 4), SparseFeature("item", 5, 3), DenseFeature("age")
ROWS = [
    {"user": 8, "item": 4, "age": 0.5},
    {"user": 0, "item": 0, "age": -2.0},
    {"user": 3, "item": 2, "age": 0.0},
    {"user": 5, "item": 1, "age": 1.0},
]
X = {name: torch.tensor([row[name] for row in ROWS]) for name in ROWS[0]}
P = {"dims": [6]}
# of a conversion, a click, and both; pCVR, pCTR, pCTCVR; the third click is rarer than 0.05
Y = [[1, 1, 1], [0, 1, 0], [1, 1, 1], [1, 0, 0]]
FOUND = [[0.6, 0.5, 0.3], [0.2, 0.9, 0.18], [0.7, 0.01, 0.007], [0.3, 0.4, 0.12]]


def make(imputation_params=None, **kwargs):
    kwargs = {"min_propensity": 0.05, **kwargs}
    return ESCM2([USER, AGE], [ITEM], P, P, imputation_params, **kwargs)


def error(r, p):
    return -math.log(p if r else 1 - p)


def risk_by_propensity(delta_hats):
    total = 0.0
    for (r, o, _), (cvr, ctr, _) in zip(Y, FOUND):
        total += o * error(r, cvr) / max(ctr, 0.05)
    return total / len(Y)


def doubly_robust_risk(delta_hats):
    total = 0.0
    for (r, o, _), (cvr, ctr, _), delta_hat in zip(Y, FOUND, delta_hats):
        e = error(r, cvr) - delta_hat
        total += delta_hat + o * e / max(ctr, 0.05) + o * e**2 / max(ctr, 0.05)
    return total / len(Y)


@pytest.mark.parametrize(("params", "risk"), [(None, risk_by_propensity), (P, doubly_robust_risk)])
@pytest.mark.parametrize("weight", [0.1, 2.0])
def test_the_regularizer_is_its_formula(params, risk, weight, naive, randomized):
    model = randomized(make(params, counterfactual_weight=weight)).eval()
    parts, delta_hats = naive(model.state_dict()), []
    for row in ROWS if params else []:
        v = parts.flat("embedding.", [USER, AGE], row) + parts.flat("embedding.", [ITEM], row)
        delta_hats.append(math.log(1 + math.exp(parts.mlp("tower_imp.mlp.", v, 1)[0])))
    found = model.auxiliary_loss(X, torch.tensor(FOUND), torch.tensor(Y).float()).item()
    assert found == pytest.approx(weight * risk(delta_hats), rel=1e-5)


def test_what_is_predicted_is_what_esmm_predicts():
    torch.manual_seed(1)
    esmm = ESMM([USER, AGE], [ITEM], P, P).eval()
    torch.manual_seed(1)
    assert torch.equal(make().eval()(X), esmm(X))


@pytest.mark.parametrize("params", [None, P])
def test_no_gradient_of_the_regularizer_reaches_the_click_tower(params):
    model = make(params)
    model.auxiliary_loss(X, model(X), torch.tensor(Y).float()).backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    reached = {name.split(".")[0] for name, grad in gradients.items() if (grad != 0).any()}
    expected = {"embedding", "tower_cvr"} | ({"tower_imp"} if params else set())
    assert reached == expected


@pytest.mark.parametrize("params", [None, P])
def test_the_label_of_a_conversion_without_a_click_is_not_read(params):
    model, y = make(params).eval(), torch.tensor(Y).float()
    found = model.auxiliary_loss(X, model(X), y)
    y[3, 0] = 1 - y[3, 0]
    assert torch.equal(model.auxiliary_loss(X, model(X), y), found)


def test_a_prediction_that_rounds_to_0_or_1_keeps_the_loss_finite():
    p = torch.tensor([[1.0, 0.5, 0.5], [0.0, 0.0, 0.0]], requires_grad=True)
    y = torch.tensor([[0.0, 1.0, 0.0], [1.0, 1.0, 1.0]])
    loss = make().auxiliary_loss(X, p, y)
    loss.backward()
    assert loss.isfinite()
    assert p.grad.isfinite().all()


def test_the_weights_of_the_losses_count(tmp_path):
    torch.manual_seed(1)
    model = make(counterfactual_weight=3.0, global_weight=0.5)
    trainer = MTLTrainer(
        model,
        ["classification"] * 3,
        optimizer_fn=torch.optim.SGD,
        optimizer_params={"lr": 1.0},
        model_path=tmp_path,
        progress=False,
    )
    y = torch.tensor(Y).float()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    trainer.train_one_epoch([(X, y)])
    step = {name: before[name] - p for name, p in model.named_parameters()}

    torch.manual_seed(1)
    twin = make(counterfactual_weight=1.0).train()
    p = twin(X)
    bce = [torch.nn.functional.binary_cross_entropy(p[:, i], y[:, i]) for i in (1, 2)]
    (bce[0] + 0.5 * bce[1] + 3.0 * twin.auxiliary_loss(X, p, y)).backward()
    for name, parameter in twin.named_parameters():
        torch.testing.assert_close(step[name], parameter.grad, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("params", [None, P])
def test_clicks_drawn_by_the_propensity_estimate_the_error_over_everything_shown(params):
    """The mean of R over all ways to click, each as likely as the propensities make it."""
    model = make(params, counterfactual_weight=1.0).eval()
    p, r = torch.tensor(FOUND), torch.tensor(Y).float()[:, 0]
    p[2, 1] = 0.3  # nothing is clipped
    expected = 0.0
    for clicks in itertools.product([0.0, 1.0], repeat=len(Y)):
        o = torch.tensor(clicks)
        chance = torch.where(o == 1, p[:, 1], 1 - p[:, 1]).prod()
        expected += chance * model.auxiliary_loss(X, p, torch.stack([r, o, r * o], dim=1))
    delta = torch.tensor([error(row[0], cvr) for row, (cvr, *_) in zip(Y, FOUND)])
    risk = delta.mean()
    if params:  # and the error of the imputation, which is trained too
        v = model.flat_inputs(X)
        delta_hat = torch.nn.functional.softplus(model.tower_imp(v).squeeze(1))
        risk = risk + (delta - delta_hat).square().mean()
    torch.testing.assert_close(expected, risk)


@pytest.mark.parametrize("params", [None, P])
def test_it_trains_in_mixed_precision(params, tmp_path):
    trainer = MTLTrainer(
        make(params),
        ["classification"] * 3,
        model_path=tmp_path,
        mixed_precision="bf16",
        progress=False,
    )
    assert all(math.isfinite(loss) for loss in trainer.train_one_epoch([(X, torch.tensor(Y))]))
    assert all(p.isfinite().all() for p in trainer.model.parameters())
