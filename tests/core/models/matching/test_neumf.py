"""NeuMF against its formula, and its error for the mode of a tower."""

import pytest
import torch

from torch_rechub.basic.features import SparseFeature
from torch_rechub.models.matching import NeuMF
from torch_rechub.trainers import MatchTrainer

USERS, ITEMS = [0, 3, 5, 3], [8, 0, 2, 1]
X = {"user": torch.tensor(USERS), "item": torch.tensor(ITEMS)}
PARAMS = {"dims": [7, 3], "activation": "prelu"}


def make(item_width=4, **kwargs):
    user, item = SparseFeature("user", 6, 4), SparseFeature("item", 9, item_width)
    return NeuMF(user, item, PARAMS, **kwargs)


def paths(parts, user, item):
    """The output of each path: p ⊙ q, and the network of its own vectors."""

    def row(path, name, i):
        return parts.state[f"{path}_embedding.embed_dict.{name}.weight"][i]

    product = [p * q for p, q in zip(row("gmf", "user", user), row("gmf", "item", item))]
    return product, parts.mlp("mlp.mlp.", row("mlp", "user", user) + row("mlp", "item", item))


@pytest.mark.parametrize("mlp_embed_dim", [None, 5])
def test_the_probability_is_the_formula(mlp_embed_dim, randomized, naive):
    model = randomized(make(mlp_embed_dim=mlp_embed_dim)).eval()
    parts = naive(model)
    (h,) = parts.state["fusion.weight"]
    both = [paths(parts, user, item) for user, item in zip(USERS, ITEMS)]
    logits = [parts.dot(h, product + deep) for product, deep in both]
    assert model.logits(X).tolist() == pytest.approx(logits, abs=1e-5)
    assert model(X).tolist() == pytest.approx([parts.sigmoid(z) for z in logits], abs=1e-5)


@pytest.mark.parametrize("path", [0, 1])
def test_one_path_is_left_where_h_leaves_out_the_other(path, randomized, naive):
    model = randomized(make()).eval()
    kept, dropped = [(slice(0, 4), slice(4, 7)), (slice(4, 7), slice(0, 4))][path]
    with torch.no_grad():
        model.fusion.weight[:, dropped] = 0
    parts = naive(model)
    h = parts.state["fusion.weight"][0][kept]
    expected = [parts.dot(h, paths(parts, u, i)[path]) for u, i in zip(USERS, ITEMS)]
    assert model.logits(X).tolist() == pytest.approx(expected, abs=1e-5)


def test_the_paths_have_tables_of_their_own():
    model = make(mlp_embed_dim=5)
    shapes = {k: tuple(v.shape) for k, v in model.state_dict().items() if "embed_dict" in k}
    assert shapes == {
        "gmf_embedding.embed_dict.user.weight": (6, 4),
        "gmf_embedding.embed_dict.item.weight": (9, 4),
        "mlp_embedding.embed_dict.user.weight": (6, 5),
        "mlp_embedding.embed_dict.item.weight": (9, 5),
    }


def test_features_of_several_widths_are_refused():
    with pytest.raises(ValueError, match=r"of one embed_dim, got .*'user': 4, 'item': 5"):
        make(item_width=5)


def test_it_says_that_it_has_no_towers_and_what_to_do_instead(tmp_path):
    model = make()
    trainer = MatchTrainer(model, mode=0, model_path=tmp_path, progress=False)
    for asked in ("user", "item"):
        with pytest.raises(ValueError, match=f"no {asked} tower: .* Score a user's candidate"):
            model.mode = asked
        with pytest.raises(ValueError, match=f"no {asked} tower: .* Score a user's candidate"):
            trainer.inference_embedding(model, asked, [{asked: torch.arange(3)}], tmp_path)
    model.mode = None
    assert model.mode is None
    with pytest.raises(ValueError, match="NeuMF has no method user_tower"):
        MatchTrainer(model, in_batch_neg=True, model_path=tmp_path)


def test_candidates_are_ranked_by_what_predict_gives(randomized, tmp_path):
    model = randomized(make()).eval()
    trainer = MatchTrainer(model, mode=0, model_path=tmp_path, progress=False)
    candidates = {"user": torch.full((9,), 3), "item": torch.arange(9)}
    found = trainer.predict(model, [candidates])
    assert found == pytest.approx(model(candidates).tolist(), abs=1e-6)
    assert len(set(found)) == 9
