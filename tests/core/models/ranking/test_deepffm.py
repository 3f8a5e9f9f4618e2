"""DeepFFM and FAT-DeepFFM against their formula, row by row."""

import pytest
import torch

from torch_rechub.basic.features import DenseFeature, SparseFeature
from torch_rechub.models.ranking import DeepFFM, FatDeepFFM

SIZES = {"user": 9, "item": 7, "city": 5}
LINEAR = [SparseFeature(name, v, 1) for name, v in SIZES.items()]
CROSS = [SparseFeature(name, 3 * v, 4) for name, v in SIZES.items()]
MAKE = {
    "DeepFFM": lambda linear: DeepFFM(linear, CROSS, 4, {"dims": [6]}),
    "FatDeepFFM": lambda linear: FatDeepFFM(linear, CROSS, 4, 2, {"dims": [6]}),
}


def check(model, state, linear, prefix, tables, rows, batch, naive):
    """`tables` are (V·F, D), where the embedding that id i has for field j is row i·F + j."""
    parts = naive(state)
    for row, p in zip(rows, model.eval()(batch).tolist()):
        v = [[tables[n][row[n] * 3 + j] for j in range(3)] for n in SIZES]
        pairs = torch.stack([v[i][j] * v[j][i] for i, j in ((0, 1), (0, 2), (1, 2))])
        if isinstance(model, FatDeepFFM):
            pairs = model.cen(pairs.unsqueeze(0))
        (deep,) = parts.mlp("mlp_out.mlp.", pairs.flatten().tolist(), 1)
        logit = deep + parts.first_order(prefix, linear, row)
        assert p == pytest.approx(parts.sigmoid(logit), abs=1e-5)


@pytest.mark.parametrize("name", MAKE)
def test_it_is_its_formula(name, rows, batch, naive, randomized):
    linear = [*LINEAR, DenseFeature("age")]
    model = randomized(MAKE[name](linear))
    state = model.state_dict()
    tables = {n: state[f"ffm_embedding.embed_dict.{n}.weight"].reshape(-1, 4) for n in SIZES}
    check(model, state, linear, "linear.", tables, rows, batch, naive)


@pytest.mark.parametrize("name", MAKE)
def test_a_checkpoint_of_0_9_loads(name, rows, batch, naive, randomized):
    model = MAKE[name](LINEAR)
    old = {k: v for k, v in randomized(model).state_dict().items() if not k.startswith("linear.")}
    tables = {n: torch.randn(3 * v, 4) for n, v in SIZES.items()}
    old |= {f"ffm_embedding.embed_dict.{n}.weight": table for n, table in tables.items()}
    old |= {f"linear_embedding.embed_dict.{n}.weight": torch.randn(v, 1) for n, v in SIZES.items()}
    old |= {"b": torch.randn(1), "fields_offset": torch.arange(3)}
    fresh = MAKE[name](LINEAR)
    fresh.load_state_dict(old)
    renamed = {k.replace("linear_embedding.", "linear.embedding."): v for k, v in old.items()}
    renamed["linear.bias"] = renamed.pop("b")
    check(fresh, renamed, LINEAR, "linear.", tables, rows, batch, naive)
    assert set(old) >= {"b", "fields_offset"}, "what was loaded is left as it was"


def test_ids_are_checked_against_the_number_of_ids(batch):
    model = MAKE["DeepFFM"](LINEAR)
    with pytest.raises(IndexError, match=r"'item': id 7 .* vocab_size=7"):
        model({**batch, "item": torch.tensor([1, 2, 3, 7])})


def test_fields_that_form_no_pairs_are_refused():
    with pytest.raises(ValueError, match=r"at least two fields of embed_dim=4, got 1 of 4"):
        DeepFFM(LINEAR, CROSS[:1], 4, {"dims": [6]})
    with pytest.raises(ValueError, match=r"at least two fields of embed_dim=8, got 3 of 4"):
        DeepFFM(LINEAR, CROSS, 8, {"dims": [6]})
    odd = [*CROSS[:2], SparseFeature("city", 16, 4)]
    with pytest.raises(ValueError, match=r"'city': vocab_size=16 is no multiple of .* 3"):
        DeepFFM(LINEAR, odd, 4, {"dims": [6]})
