"""DIEN against its formula, row by row."""

import math

import pytest
import torch
from torch.nn import functional as F

from torch_rechub.models.ranking import DIEN

PARAMS = {"dims": [6], "dropout": 0.3, "activation": "relu"}
PAIRS = (("items", "other_items", "item"), ("kinds", "other_kinds", "kind"))


def make(f, profile, others=(), **kwargs):
    histories, negatives, targets = ([f[names[i]] for names in PAIRS] for i in range(3))
    targets += [f[name] for name in others]
    return DIEN([f[n] for n in profile], histories, negatives, targets, PARAMS, **kwargs)


def evolved(model, k, e, target):
    """The GRU's states over the valid steps of one row, and the last state of the AUGRU."""
    if not e:
        return [], torch.zeros(len(target))
    h = model.interest_extractor_layers[k](torch.tensor([e]))[0][0]
    return h, model.interest_evolving_layers[k](h.unsqueeze(0), torch.tensor([target]))[1][0]


@pytest.mark.parametrize("profile", [[], ["age", "user"]])
@pytest.mark.parametrize("others", [[], ["user", "city"]])
def test_it_is_its_formula(profile, others, f, rows, batch, naive, randomized):
    model = randomized(make(f, profile, others, alpha=0.7)).eval()
    parts = naive(model.state_dict())
    p, loss = model(batch)
    losses = [[], []]
    for row, found in zip(rows, p.tolist()):
        interests, targets = [], []
        for k, (history, negative, target) in enumerate(PAIRS):
            table = parts.state[f"embedding.embed_dict.{target}.weight"]
            valid = [t for t, i in enumerate(row[history]) if i != 0]
            e = [table[row[history][t]] for t in valid]
            other = [table[row[negative][t]] for t in valid]
            h, s = evolved(model, k, e, table[row[target]])
            for t in range(len(valid) - 1):  # the state at t against what came at t + 1
                h_t = h[t].tolist()
                yes, no = (parts.sigmoid(parts.dot(h_t, v[t + 1])) for v in (e, other))
                losses[k].append(-math.log(yes) - math.log(1 - no))
            interests += s.tolist()
            targets += table[row[target]]
        x = interests + targets
        for names in (others, profile):
            x += parts.flat("embedding.", [f[n] for n in names], row)
        assert found == pytest.approx(parts.sigmoid(parts.mlp("mlp.mlp.", x, 1)[0]), abs=1e-5)
    expected = 0.7 * sum(sum(part) / len(part) for part in losses)
    assert loss.item() == pytest.approx(expected, abs=1e-5)


def test_a_history_padded_on_the_left_is_seen(f, batch, randomized):
    model = randomized(make(f, [])).eval()
    left = {n: F.pad(v, (4, 0)) if v.shape[1:] == (3,) else v for n, v in batch.items()}
    torch.testing.assert_close(model(left), model(batch))
    other = {**left, "items": torch.where(left["items"] > 0, left["items"] % 6 + 1, 0)}
    assert (model(other)[0] != model(left)[0]).tolist() == [True, True, False, True]


def test_the_auxiliary_loss_counts_the_steps_of_its_mask(f):
    model = make(f, [])
    h, pos, neg = torch.randn(3, 2, 3, 4).unbind()
    mask = torch.tensor([[1, 1, 0], [0, 1, 0]])
    terms = [
        -math.log(torch.sigmoid(h[b, t] @ pos[b, t]))
        - math.log(torch.sigmoid(-h[b, t] @ neg[b, t]))
        for b, t in ((0, 0), (0, 1), (1, 1))
    ]
    assert model.auxiliary(h, pos, neg, mask).item() == pytest.approx(sum(terms) / 3, abs=1e-5)
    assert model.auxiliary(h, pos, neg, torch.zeros(2, 3)).item() == 0.0
    assert model.auxiliary(h, pos, neg).item() > 0


@pytest.mark.parametrize(
    ("histories", "negatives", "targets", "message"),
    [
        (["items"], ["other_kinds"], ["item"], r"neg_history_features must .*\[4\] and \[2\]"),
        (["items"], [], ["item"], r"neg_history_features must pair off.*\[4\] and \[\]"),
        (["items", "kinds"], ["other_items"], ["item", "kind"], r"\[4, 2\] and \[4\]"),
        (["items"], ["other_items"], [], r"target_features must pair off.*\[4\] and \[\]"),
    ],
)
def test_each_history_has_a_negative_and_a_target(histories, negatives, targets, message, f):
    with pytest.raises(ValueError, match=message):
        DIEN([], *([f[n] for n in part] for part in (histories, negatives, targets)), PARAMS)
