"""YoutubeSBC against its formula; its negatives, and what the correction is for."""

import math

import pytest
import torch

from core.models.matching_table import inputs, youtube_sbc
from torch_rechub.basic.features import DenseFeature, SparseFeature
from torch_rechub.data.loader import TableLoader, TorchDataset
from torch_rechub.models.matching import YoutubeSBC
from torch_rechub.trainers import MatchTrainer

T = 0.3


@pytest.mark.parametrize(("batch", "negatives"), [(8, 3), (5, 3), (4, 3), (2, 1), (1, 0)])
def test_the_correction_is_outside_the_temperature_and_negatives_are_other_rows(
    batch, negatives, randomized
):
    model = randomized(youtube_sbc(n_neg=3, temperature=T)).eval()
    x = inputs(batch)
    user, item = model.user_tower(x).tolist(), model.item_tower(x).tolist()
    logits = model(x)
    assert logits.shape == (batch, 1 + negatives)
    for i, row in enumerate(logits.tolist()):
        for ahead, found in enumerate(row):
            j = (i + ahead) % batch
            cosine = math.fsum(a * b for a, b in zip(user[i], item[j]))
            assert found == pytest.approx(cosine / T - math.log(x["q"][j].item()), abs=1e-4)


def test_a_short_batch_changes_nothing_for_the_next(randomized):
    model = randomized(youtube_sbc()).eval()
    x = inputs(8)
    before = model(x)
    model(inputs(3))
    assert torch.equal(model(x), before)


def test_a_row_with_the_same_item_is_no_negative(randomized):
    model = randomized(youtube_sbc(n_neg=2)).eval()
    x = inputs(4)
    for column in ("item", "kind"):
        x[column][2] = x[column][0]
    assert (model(x) == -1e9).nonzero().tolist() == [[0, 2], [2, 2]]


def test_counts_do_as_well_as_shares(randomized):
    model = randomized(youtube_sbc()).eval()
    x = inputs(8)
    shares = model(x).softmax(dim=1)
    torch.testing.assert_close(model({**x, "q": x["q"] * 1000}).softmax(dim=1), shares)


def test_the_correction_undoes_the_popularity_of_negatives(tmp_path):
    # All users click alike: 9 in 10 times one of the items 1 to 30, else one of 31 to 60. Without
    # the correction items are negatives as often as positives, which unteaches popularity.
    generator = torch.Generator().manual_seed(0)
    item = torch.randint(1, 31, (4000,), generator=generator)
    item = item + 30 * (torch.rand(4000, generator=generator) < 0.1)
    x = {"user": torch.randint(0, 30, (4000,), generator=generator), "item": item}
    shares = {True: torch.where(item <= 30, 0.03, 0.1 / 30), False: torch.ones(4000)}
    gaps = {}
    for corrected, q in shares.items():
        torch.manual_seed(0)
        users, items = [SparseFeature("user", 30, 4)], [SparseFeature("item", 61, 4)]
        params = {"dims": [4], "activation": "prelu"}
        model = YoutubeSBC(users, items, [DenseFeature("q")], params, params, 64, n_neg=16)
        data = TorchDataset({**x, "q": q}, torch.zeros(4000, dtype=torch.long))
        options = {"optimizer_params": {"lr": 0.01}, "n_epoch": 5, "progress": False}
        trainer = MatchTrainer(model, mode=2, model_path=tmp_path, **options)
        trainer.fit(TableLoader(data, 64, shuffle=True))
        every = {"user": torch.arange(30), "item": torch.arange(1, 61)}
        with torch.no_grad():
            cosine = model.eval().user_tower(every) @ model.item_tower(every).T
        gaps[corrected] = (cosine[:, :30].mean() - cosine[:, 30:].mean()).item()
    assert gaps[True] > 0.6
    assert abs(gaps[False]) < 0.2


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"n_neg must be 1 to 7 \(batch_size - 1\), got 8"):
        youtube_sbc(n_neg=8)
    users, items = [SparseFeature("user", 3, 4)], [SparseFeature("item", 3, 4)]
    for wrong in ([], users, [DenseFeature("q"), DenseFeature("r")]):
        with pytest.raises(ValueError, match="sample_weight_feature must be"):
            YoutubeSBC(users, items, wrong, {"dims": [4]}, {"dims": [4]}, 8)
    x = {**inputs(4), "q": torch.tensor([0.5, 0.0, 0.2, 0.3])}
    with pytest.raises(ValueError, match="'q' holds 0, but how often an item occurs is above 0"):
        youtube_sbc()(x)
