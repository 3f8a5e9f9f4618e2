"""VocabMask: which items stay in the running."""

import pytest
import torch

from torch_rechub.utils.hstu_utils import VocabMask

LOGITS = torch.arange(12.0).view(2, 6)


def left(logits):
    return [[v for v, z in enumerate(row) if z > -1e9] for row in logits.tolist()]


def test_invalid_items_are_masked_and_the_rest_is_left():
    before = LOGITS.clone()
    masked = VocabMask(6, [1, 3]).apply_mask(LOGITS)
    assert left(masked) == [[0, 2, 4, 5]] * 2
    assert masked[:, [0, 2, 4, 5]].equal(LOGITS[:, [0, 2, 4, 5]])
    assert (masked[:, [1, 3]] == -1e9).all()
    assert LOGITS.equal(before)
    assert VocabMask(6)(LOGITS).equal(LOGITS)


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ([0, 5], [[2, 4], [2, 4]]),
        (torch.tensor([0, 5]), [[2, 4], [2, 4]]),
        (torch.tensor([[0, 5], [2, 2]]), [[2, 4], [0, 4, 5]]),
        ([], [[0, 2, 4, 5]] * 2),
    ],
)
def test_additional_ids_for_all_rows_or_for_each(ids, expected):
    mask = VocabMask(6, torch.tensor([1, 3]))
    assert left(mask.apply_mask(LOGITS, ids)) == expected
    by_position = mask.apply_mask(LOGITS.unsqueeze(1).expand(2, 3, 6), ids)
    assert all(left(by_position[:, t]) == expected for t in range(3))


def test_half_precision_stays_finite():
    assert VocabMask(6, [1]).apply_mask(LOGITS.half()).isfinite().all()


@pytest.mark.parametrize("ids", [[6], [-1], torch.tensor([[0], [9]])])
def test_ids_outside_the_vocabulary_are_refused(ids):
    with pytest.raises(IndexError, match=r"ids from 0 to 5 \(vocab_size=6\)"):
        VocabMask(6).apply_mask(LOGITS, ids)
    if not isinstance(ids, torch.Tensor):
        with pytest.raises(IndexError, match="vocab_size=6"):
            VocabMask(6, ids)


def test_it_is_saved():
    mask = VocabMask(6)
    mask.load_state_dict(VocabMask(6, [2]).state_dict())
    assert mask.mask.tolist() == [True, True, False, True, True, True]
