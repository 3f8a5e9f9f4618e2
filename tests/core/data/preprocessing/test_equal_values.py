"""A value is one value in every source: numbers with holes and bools, as pandas writes them."""

import numpy as np
import pandas as pd
import pytest

from torch_rechub.data.preprocessing import Categorical, Preprocessor, Target

LOG = pd.DataFrame(
    {"user": [1, 2, None, 3, 1], "member": [True, False, True, True, True], "bought": list("yny-y")}
)
COLUMNS = [Categorical("user"), Categorical("member")]


@pytest.fixture
def file(tmp_path):
    """Return a CSV file: pandas writes 1.0 for users, for one is missing, and True."""
    path = tmp_path / "log.csv"
    LOG.to_csv(path, index=False)
    assert "1.0,True,y" in path.read_text()
    return path


def test_whole_numbers_with_holes_and_bools_have_the_same_ids_from_a_file_and_from_memory(file):
    rows = {"user": ["1", 2, "3.0", None], "member": ["TRUE", "false", "True", "false"]}
    for data in (file, LOG, pd.read_csv(file), LOG.astype({"user": "Int64"})):
        fitted = Preprocessor(COLUMNS).fit(data)
        for other in (file, LOG, pd.read_csv(file)):
            encoded = fitted.transform(other)
            assert encoded["user"].tolist() == [2, 3, 5, 4, 2]
            assert encoded["member"].tolist() == [2, 3, 2, 2, 2]
        assert fitted.transform(rows)["user"].tolist() == [2, 3, 4, 5]
        assert fitted.transform(rows)["member"].tolist() == [2, 3, 2, 3]


def test_other_texts_of_numbers_are_values_of_their_own():
    codes = {"code": ["007", "7", "7.0", "7.00", "7.5", "-0.0", "1.0.0"]}
    ids = Preprocessor([Categorical("code")]).fit_transform(codes)["code"]
    assert ids[1] == ids[2]
    assert len(set(ids.tolist())) == 6


def test_a_missing_cell_of_a_text_label_is_a_missing_label(file):
    found = Preprocessor(COLUMNS, [Target("bought", positive="y")]).fit_transform(
        file, null_values=("", "-")
    )
    np.testing.assert_array_equal(found.y, [1, 0, 1, np.nan, 1])


def test_labels_are_required_for_fitting_and_encoding_in_one_call(file, tmp_path):
    misspelt = Preprocessor(COLUMNS, ["bougt"])
    for out in (None, tmp_path / "shards"):
        with pytest.raises(KeyError, match="no column 'bougt'"):
            misspelt.fit_transform(file, out)
    assert misspelt.fit(file).transform(file).y is None  # as in serving


def test_an_unknown_option_of_reading_is_refused_with_those_that_exist(file):
    with pytest.raises(TypeError, match=r"no option 'sep' of reading; there are .*'separator'"):
        Preprocessor(COLUMNS).fit(file, sep=",")


def test_labels_of_a_value_that_never_occurs_are_warned_of(caplog):
    log = {"user": [1] * 30, "bought": ["yes"] + ["no"] * 29}
    for positive, messages in (("yes", 0), ("Yes", 1)):
        caplog.clear()
        Preprocessor([Categorical("user")], [Target("bought", positive=positive)]).fit_transform(
            log
        )
        assert len(caplog.records) == messages
    assert "column 'bought': none of 30 rows has the value 'Yes'" in caplog.text
