"""Free text as ids of words, against a split by hand."""

import numpy as np
import pytest

from core.data.preprocessing.oracles import ids_by_hand, padded_by_hand
from torch_rechub.data.preprocessing import Preprocessor, Text

TITLES = {
    "The Piano (1993)": ["the", "piano", "1993"],
    "the PIANO, again!": ["the", "piano", "again"],
    "钢琴 the film 2": ["钢", "琴", "the", "film", "2"],
    "ピアノ・レッスン": ["ピ", "ア", "ノ", "レ", "ッ", "ス", "ン"],
    "l'été_2": ["l", "été", "2"],
    "피아노 3D": ["피아노", "3d"],
    "e\u0301te\u0301 ２": ["été", "2"],  # decomposed letters, a wide digit
    "...": [],
    "": [],
}


@pytest.mark.parametrize("title", TITLES)
def test_words_are_letters_and_digits_and_each_ideograph(title):
    fitted = Preprocessor([Text("t", min_count=1, max_length=9)]).fit({"t": [title, "x"]})
    found = fitted.transform({"t": [title]})["t"]
    words = [None if i == 0 else str(w) for i, w in zip(found[0], fitted.decode("t", found)[0])]
    assert words == [*TITLES[title], *[None] * (9 - len(TITLES[title]))]


def test_ids_are_those_of_the_words_in_all_rows_and_rare_ones_are_unknown():
    rows = list(TITLES.values())
    ids = ids_by_hand([w for row in rows for w in row], min_count=2, missing_is_a_value=False)
    found = Preprocessor([Text("t")]).fit_transform({"t": [*TITLES, None]})["t"]
    expected = padded_by_hand([[ids.get(w, 1) for w in row] for row in [*rows, []]], 7)
    assert np.array_equal(found, expected)


def test_the_last_words_and_the_most_frequent_ones_can_be_kept():
    texts = ["a a b c", "a b"]
    options = {"min_count": 1, "max_size": 1, "max_length": 2, "keep": "last"}
    found = Preprocessor([Text("t", **options)]).fit_transform({"t": texts})["t"]
    assert found.tolist() == [[1, 1], [2, 1]]


def test_a_separator_is_no_setting_of_text():
    with pytest.raises(TypeError, match="separator"):
        Text("t", separator=" ")
