"""BPR-MF against its formula."""

import pytest
import torch

from torch_rechub.basic.features import SparseFeature
from torch_rechub.metrics.retrieval import top_k
from torch_rechub.models.matching import BPRMF


def make(width=4, negatives=9):
    names = (("user", 6, width), ("item", 9, 4), ("neg", negatives, 4))
    return BPRMF(*(SparseFeature(*arguments) for arguments in names))


def test_the_scores_are_the_formula_also_those_of_the_negatives(randomized, naive):
    model = randomized(make())
    parts = naive(model)
    bias = parts.state["item_bias.embed_dict.item.weight"]
    users, items, others = [0, 3, 5], [8, 0, 2], [1, 7, 2]
    columns = {"user": users, "item": items, "neg": others}
    found = model({name: torch.tensor(ids) for name, ids in columns.items()})
    for scores, ids in zip(found, (items, others)):
        expected = [
            bias[i][0] + parts.dot(parts.row("user", u), parts.row("item", i))
            for u, i in zip(users, ids)
        ]
        assert scores.tolist() == pytest.approx(expected, abs=1e-5)


def test_retrieval_knows_the_bias(randomized):
    model = randomized(make())
    with torch.no_grad():
        model.item_bias.embed_dict["item"].weight[7] = 100.0
    user = model.user_tower({"user": torch.arange(6)})
    item = model.item_tower({"item": torch.arange(9)})
    assert top_k(user, item, k=1)[1].flatten().tolist() == [7] * 6


def test_features_of_several_widths_are_refused():
    with pytest.raises(ValueError, match=r"of one embed_dim, got .*'user': 5, 'item': 4"):
        make(width=5)


def test_negatives_with_another_table_are_refused():
    with pytest.raises(ValueError, match=r"'neg' must look into the table of 'item': .* 9 .* 8"):
        make(negatives=8)
