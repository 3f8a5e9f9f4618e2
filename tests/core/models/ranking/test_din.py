"""DIN against its formula, row by row."""

import pytest
import torch

from torch_rechub.basic.features import SequenceFeature
from torch_rechub.models.ranking import DIN
from torch_rechub.models.ranking.din import ActivationUnit

PARAMS = {"dims": [6], "dropout": 0.3, "activation": "relu"}


def attended(parts, unit, history, target):
    """Σ_j a(e_j, v) e_j over the steps that are no padding."""
    total = [0.0] * len(target)
    for e in history:
        parting = [v - w for v, w in zip(target, e)]
        joint = [v * w for v, w in zip(target, e)]
        (a,) = parts.mlp(f"attention_layers.{unit}.attention.mlp.", target + e + parting + joint, 1)
        total = [t + a * w for t, w in zip(total, e)]
    return total


@pytest.mark.parametrize("profile", [[], ["age", "user"], ["item", "kind", "user"]])
@pytest.mark.parametrize("others", [[], ["user"], ["city", "tags", "age"]])
def test_it_is_its_formula(profile, others, f, rows, batch, naive, randomized):
    features = [f[name] for name in profile]
    histories, targets = [f["items"], f["kinds"]], [f["item"], f["kind"]]
    targets += [f[name] for name in others]
    model = randomized(DIN(features, histories, targets, PARAMS, {**PARAMS, "dims": [5]})).eval()
    parts = naive(model.state_dict())
    for row, p in zip(rows, model(batch).tolist()):
        v = [parts.embedding("embedding.", target, row[target.name]) for target in targets[:2]]
        steps = [
            [parts.embedding("embedding.", t, i) for i in row[h.name] if i != 0]
            for h, t in zip(histories, targets)
        ]
        x = [number for k in (0, 1) for number in attended(parts, k, steps[k], v[k])]
        x += v[0] + v[1] + parts.flat("embedding.", targets[2:], row)
        x += parts.flat("embedding.", features, row)
        assert p == pytest.approx(parts.sigmoid(parts.mlp("mlp.mlp.", x, 1)[0]), abs=1e-5)


@pytest.mark.parametrize("padding_idx", [None, 0])
@pytest.mark.parametrize("training", [True, False])
def test_zeros_behind_a_history_change_nothing(padding_idx, training, f, batch, randomized):
    items = SequenceFeature("items", 7, 4, "concat", "item", padding_idx)
    model = randomized(DIN([f["user"]], [items], [f["item"]], PARAMS, {"dims": [5]}))
    model.train(training)
    model.mlp.mlp[3].p = 0.0
    longer = {**batch, "items": torch.cat([batch["items"], torch.zeros(4, 4).long()], dim=1)}
    torch.testing.assert_close(model(longer), model(batch))


def test_the_targets_may_be_the_features(f, batch):
    # as in torch-rechub 0.9's example: the first targets pair off, all enter the MLP twice
    features = [f["item"], f["kind"], f["user"]]
    model = DIN(features, [f["items"], f["kinds"]], features, PARAMS, {"dims": [5]})
    assert model.mlp.mlp[0].weight.shape == (6, (4 + 2) + 2 * (4 + 2 + 4))
    assert len(model.attention_layers) == 2
    model(batch).sum().backward()


def test_activations_are_dice_unless_given(f):
    model = DIN([], [f["items"]], [f["item"]], {"dims": [6]}, {"dims": [5]})
    kinds = [type(m.mlp[2]).__name__ for m in (model.mlp, model.attention_layers[0].attention)]
    assert kinds == ["Dice", "Dice"]
    assert isinstance(model.attention_layers[0], ActivationUnit)


@pytest.mark.parametrize(
    ("histories", "targets", "message"),
    [
        (["items", "kinds"], ["item"], r"must pair off.*widths \[4, 2\] and \[4\]"),
        (["items", "kinds"], ["kind", "item"], r"must pair off.*widths \[4, 2\] and \[2, 4\]"),
        (["kinds"], ["item"], r"must pair off.*widths \[2\] and \[4\]"),
        ([], [], "must pair off"),
        (["tags"], ["item"], "history_features must hold .*pooling='concat'"),
        (["items"], ["age"], "target_features must hold"),
        (["items"], ["item", "kinds"], "'kinds': with pooling='concat' its width depends"),
    ],
)
def test_histories_and_targets_must_pair_off(histories, targets, message, f):
    with pytest.raises(ValueError, match=message):
        DIN([], [f[n] for n in histories], [f[n] for n in targets], PARAMS, {"dims": [5]})
