"""Ids of items whose codes collide."""

import torch

from torch_rechub.models.generative.unique_codes import unique_codes


def test_codes_that_differ_stay_as_they_are():
    codes = torch.tensor([[0, 1], [1, 1], [0, 0]])
    assert unique_codes(codes, lambda rows: 1 / 0).equal(codes)


def test_the_nearest_item_keeps_the_code_and_the_others_take_the_nearest_free_one():
    # items 0 to 2 share [3, 1]; 1 is nearest. Item 3 of the same family holds code 0.
    codes = torch.tensor([[3, 1], [3, 1], [3, 1], [3, 0], [2, 1]])
    d = torch.tensor(
        [
            [0.0, 0.3, 0.5, 0.6],  # code 0 would be nearest, but item 3 has it: takes 2
            [0.9, 0.1, 0.2, 0.9],
            [0.9, 0.4, 0.5, 0.8],  # 2 is taken by then: takes 3
            [0.0, 0.9, 0.9, 0.9],
            [0.9, 0.0, 0.9, 0.9],
        ]
    )
    found = unique_codes(codes, lambda rows: d[rows])
    assert found.tolist() == [[3, 2], [3, 1], [3, 3], [3, 0], [2, 1]]
    assert codes.tolist()[0] == [3, 1]  # what was given is left alone


def test_where_codes_do_not_suffice_every_id_gets_a_number():
    codes = torch.tensor([[0, 1], [0, 1], [0, 0], [5, 1], [5, 1]])
    d = torch.rand(5, 2)
    found = unique_codes(codes, lambda rows: d[rows])
    # three items, two codes: numbered; the two of the other family fit
    assert found[:3].tolist() == [[0, 1, 0], [0, 1, 1], [0, 0, 0]]
    assert sorted(found[3:, 1].tolist()) == [0, 1]
    assert found[3:, 2].tolist() == [0, 0]


def test_ids_are_always_unique():
    for n_levels, size in ((1, 50), (1, 4), (2, 6), (3, 3)):
        codes = torch.randint(0, size, (50, n_levels))
        d = torch.rand(50, size)
        found = unique_codes(codes, lambda rows, d=d: d[rows])
        assert len(found.unique(dim=0)) == 50
        assert found[:, : n_levels - 1].equal(codes[:, :-1])
