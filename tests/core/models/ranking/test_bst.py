"""BST against its formula, row by row."""

import pytest
import torch
from torch.nn import functional as F

from torch_rechub.models.ranking import BST

PARAMS = {"dims": [6], "dropout": 0.3, "activation": "relu"}


def make(f, profile=(), **kwargs):
    histories, targets = [f["items"], f["kinds"]], [f["item"], f["kind"]]
    settings = {"nhead": 2, "num_layers": 2, "dim_feedforward": 5, **kwargs}
    return BST([f[n] for n in profile], histories, targets, PARAMS, **settings)


def block(layer, s):
    """LayerNorm(x + attention), then LayerNorm(x + W_2 LeakyReLU(W_1 x)), for one row (n, D)."""
    attention, dim = layer.self_attn, s.shape[1]
    w, b = attention.in_proj_weight, attention.in_proj_bias
    q, k, v = (s @ w[i : i + dim].T + b[i : i + dim] for i in (0, dim, 2 * dim))
    d, heads = dim // 2, []
    for part in (slice(0, d), slice(d, dim)):
        weights = (q[:, part] @ k[:, part].T / d**0.5).softmax(dim=1)
        heads.append(weights @ v[:, part])
    s = layer.norm1(s + attention.out_proj(torch.cat(heads, dim=1)))
    hidden = layer.linear1(s)
    hidden = torch.where(hidden > 0, hidden, 0.01 * hidden)
    return layer.norm2(s + layer.linear2(hidden))


@pytest.mark.parametrize("profile", [[], ["age", "user"]])
def test_it_is_its_formula(profile, f, rows, batch, naive, randomized):
    model = randomized(make(f, profile)).eval()
    parts = naive(model.state_dict())
    items, kinds = (parts.state[f"embedding.embed_dict.{n}.weight"] for n in ("item", "kind"))
    for row, p in zip(rows, model(batch).tolist()):
        target = items[row["item"]] + kinds[row["kind"]]
        steps = [items[i] + kinds[k] for i, k in zip(row["items"], row["kinds"]) if i != 0]
        ages = torch.arange(len(steps), -1, -1)
        s = torch.tensor([*steps, target]) + model.age_embedding.weight[ages]
        for layer in model.transformer_layers.layers:
            s = block(layer, s)
        x = s[-1].tolist() + target + parts.flat("embedding.", [f[n] for n in profile], row)
        assert p == pytest.approx(parts.sigmoid(parts.mlp("mlp.mlp.", x, 1)[0]), abs=1e-4)


def test_the_order_of_the_steps_counts(f, batch, randomized):
    model = randomized(make(f)).eval()
    turned = {**batch, "items": batch["items"].flip(1), "kinds": batch["kinds"].flip(1)}
    assert (model(turned) != model(batch)).tolist() == [True, False, False, True]


def test_what_counts_for_the_length_are_the_steps(f, batch):
    model = make(f, max_seq_len=4).eval()
    model({n: F.pad(v, (2, 5)) if v.shape[1:] == (3,) else v for n, v in batch.items()})
    longer = {n: torch.ones(4, 4).long() if v.shape[1:] == (3,) else v for n, v in batch.items()}
    with pytest.raises(ValueError, match=r"a history has 4 steps; .* more than max_seq_len=4"):
        model(longer)


def test_each_part_of_a_step_has_its_target(f):
    with pytest.raises(ValueError, match=r"must pair off .*: move user, city to features"):
        BST([], [f["items"]], [f["item"], f["user"], f["city"]], PARAMS, nhead=2)
    with pytest.raises(ValueError, match=r"must pair off.*widths \[4, 2\] and \[4\]"):
        BST([], [f["items"], f["kinds"]], [f["item"]], PARAMS, nhead=2)


def test_a_width_that_does_not_divide_is_refused(f):
    with pytest.raises(ValueError, match="the width of a step, 6, must be a multiple of nhead=4"):
        make(f, nhead=4)


def test_a_checkpoint_of_0_9_is_refused_with_the_reason_and_the_way_out(f):
    model = make(f)
    old = {k: v for k, v in model.state_dict().items() if k != "age_embedding.weight"}
    with pytest.raises(RuntimeError, match=r"torch-rechub 0\.x, where positions counted padding"):
        model.load_state_dict({**old, "pos_embedding.weight": torch.randn(51, 6)})
    assert model.load_state_dict(old, strict=False).missing_keys == ["age_embedding.weight"]
