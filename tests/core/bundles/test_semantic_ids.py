"""Bundles of RQ-VAE give new items codes and semantic ids; those of TIGER take them up."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader
from transformers import T5Config

from torch_rechub.bundles import load_bundle
from torch_rechub.models.generative import RQVAEModel, TIGERModel
from torch_rechub.trainers import TigerTrainer
from torch_rechub.trainers.rqvae_trainer import Trainer
from torch_rechub.utils.data import TigerSeqDataset

WIDTH = 6


@pytest.fixture(scope="module", params=[False, True], ids=["random", "k-means"])
def trained(request, tmp_path_factory):
    """A trainer, its bundle, and the embeddings of its items."""
    torch.manual_seed(0)
    folder, x = tmp_path_factory.mktemp("rqvae"), torch.randn(40, WIDTH)
    model = RQVAEModel(WIDTH, [3, 40], 4, layers=[8], kmeans_init=request.param, bn=True)
    trainer = Trainer(model, n_epoch=2, model_path=folder)
    trainer.fit(DataLoader(x, batch_size=40))
    return trainer, load_bundle(trainer.save(folder / "bundle")), x


def _nearest_codes(model, x):
    """The codes by a loop over levels, and the last residual."""
    model.eval()
    with torch.no_grad():
        residual, codes = model.encode(x), []
        for level in model.rq.vq_layers:
            book = level.get_codebook()
            nearest = torch.cdist(residual, book)
            codes.append(nearest.argmin(dim=1))
            last, residual = residual, residual - book[codes[-1]]
    return torch.stack(codes, dim=1), torch.cdist(last, book)


def test_codes_are_the_nearest_entries_of_each_level(trained):
    trainer, bundle, x = trained
    expected, _ = _nearest_codes(trainer.model, x)
    assert np.array_equal(bundle.codes(x, batch_size=7), expected.numpy())
    assert np.array_equal(bundle.codes(x.tolist()), trainer.model.get_indices(x).numpy())


def test_new_items_receive_the_nearest_free_code_of_the_last_level(trained):
    trainer, bundle, x = trained
    old, new = x[:15], x[15:]
    taken = trainer.model.generate_semantic_ids(old, DataLoader(old, batch_size=5))
    found = bundle.semantic_ids(new, taken)

    used = {tuple(tokens) for tokens in taken.values()}
    codes, distances = _nearest_codes(trainer.model, new)
    for (first, _), of_last, tokens in zip(codes.tolist(), distances, found, strict=True):
        for last in of_last.argsort().tolist():
            expected = (f"<a_{first}>", f"<b_{last}>")
            if expected not in used:
                break
        assert tuple(tokens) == expected
        used.add(expected)


def test_ids_with_a_number_receive_the_next_one(trained):
    _, bundle, x = trained
    (code,) = bundle.codes(x[:1]).tolist()
    taken = [[f"<a_{code[0]}>", f"<b_{code[1]}>", f"<c_{n}>"] for n in (0, 4)]
    found = bundle.semantic_ids(torch.stack([x[0], x[0]]), taken)
    assert found == [[*taken[0][:2], "<c_5>"], [*taken[0][:2], "<c_6>"]]


def test_a_level_without_a_free_code_is_an_error(trained):
    _, bundle, x = trained
    everything = [[f"<a_{a}>", f"<b_{b}>"] for a in range(3) for b in range(40)]
    with pytest.raises(ValueError, match="all 40 codes of the last level are taken"):
        bundle.semantic_ids(x[:1], everything)


@pytest.mark.parametrize(
    ("taken", "message"),
    [
        ([["<a_0>"]], "ids of \\[1\\] tokens, but this model has 2 codes"),
        ([["<a_0>", "<b_40>"]], "'<b_40>' in place 1"),
        ([["<a_0>", "<b_0>", "<c_x>"]], "'<c_x>' in place 2"),
    ],
)
def test_ids_of_another_model_are_refused(trained, taken, message):
    with pytest.raises(ValueError, match=message):
        trained[1].semantic_ids(trained[2][:1], taken)


@pytest.mark.parametrize("x", [torch.zeros(2, 5), torch.full((2, WIDTH), torch.nan)])
def test_other_embeddings_are_refused(trained, x):
    with pytest.raises(ValueError, match="embeddings"):
        trained[1].codes(x)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """The folder of a bundle of an untrained TIGER."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("tiger")
    ids = {f"i{a}{b}": [f"<a_{a}>", f"<b_{b}>"] for a in range(3) for b in range(3) if a + b}
    data = TigerSeqDataset({"u": list(ids)}, ids, 20)
    tokenizer = data.make_tokenizer()
    config = T5Config(
        vocab_size=len(tokenizer), d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2,
        decoder_start_token_id=0,
    )  # fmt: skip
    trainer = TigerTrainer(TIGERModel(config), data, tokenizer, model_path=folder)
    return trainer.save(folder / "bundle")


def test_a_new_item_with_a_semantic_id_is_found_and_read(path, tmp_path):
    users = [{"hist_item": ["i01"]}]
    bundle = load_bundle(path)
    before = bundle.recommend(users, k=9)
    bundle.add_items([{"item": "new"}], semantic_ids=[["<a_0>", "<b_0>"]])
    after = bundle.recommend(users, k=9)
    assert set(after["item"]) - set(before["item"]) == {"new"}
    old = after[after["item"] != "new"].reset_index(drop=True)
    assert old["item"].tolist() == before["item"].tolist()
    assert old["score"].to_numpy() == pytest.approx(before["score"].to_numpy(), abs=1e-4)
    assert bundle.recommend([{"hist_item": ["new"]}]).source.unique().tolist() == ["model"]
    again = load_bundle(bundle.save(tmp_path / "again")).recommend(users, k=9)
    assert again["item"].tolist() == after["item"].tolist()


def test_removed_items_are_not_found(path):
    bundle = load_bundle(path)
    bundle.remove_items(["i02", "i22"])
    found = bundle.recommend([{"hist_item": ["i01"]}], k=9)
    assert set(found["item"]) == {"i10", "i11", "i12", "i20", "i21"}


def test_items_without_a_semantic_id_are_popular_only(path):
    bundle = load_bundle(path)
    bundle.add_items([{"item": "new"}], popularity=[9])
    assert "new" not in set(bundle.recommend([{"hist_item": ["i01"]}], k=20)["item"])
    assert bundle.recommend([{"hist_item": []}], k=1)["item"].tolist() == ["new"]


def test_wrong_items_are_refused_and_change_nothing(path):
    bundle = load_bundle(path)
    users = [{"hist_item": ["i01"]}]
    before = bundle.recommend(users)
    for items, ids, error in (
        ([{"item": "i01"}], [["<a_0>", "<b_0>"]], "is an item already"),
        ([{"item": "new"}], [["<a_0>", "<b_7>"]], "does not know the token '<b_7>'"),
        ([{"item": "new"}], [["<a_0>"], ["<a_1>"]], "the tokens of 2 items, not of 1"),
    ):
        with pytest.raises(ValueError, match=error):
            bundle.add_items(items, semantic_ids=ids)
    assert bundle.recommend(users)["item"].tolist() == before["item"].tolist()
