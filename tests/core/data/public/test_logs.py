"""Logs: the interactions of each data set that has users, items and times."""

import numpy as np
import pytest

from core.data.public.made import CASES, KUAI_HEADER, write
from torch_rechub.data import public

LOGS = [name for name, case in CASES.items() if case.user_items]


def opened(name, tmp_path):
    """The data set, and the name of its first table that is there."""
    data = CASES[name].open(write(CASES[name], tmp_path))
    return data, data.layout.main if data.layout.main in data.tables else data.tables[0]


@pytest.mark.parametrize("name", LOGS)
def test_interactions_are_the_rows_of_the_files_by_user_and_time(name, tmp_path):
    data, table = opened(name, tmp_path)
    log, layout, rows = data.interactions(table), data.layout, CASES[name].rows[table]
    named = [row for row in rows if {layout.user, layout.item, layout.time} <= set(row)]
    assert len(log) == len(rows)
    for row in named:
        (found,) = np.flatnonzero(log.rows == rows.index(row))
        assert log[layout.user][found] == row[layout.user]
        assert log[layout.item][found] == row[layout.item]
        assert log[layout.time][found] == pytest.approx(row[layout.time])
        if layout.label:
            assert log[layout.label][found] == row[layout.label]
    assert named


@pytest.mark.parametrize("name", [name for name in CASES if name not in LOGS])
def test_a_table_of_examples_has_no_interactions_and_says_why(name, tmp_path):
    data, table = opened(name, tmp_path)
    with pytest.raises(ValueError, match=f"{data.layout.title}".replace("(", r"\(")[:8]) as caught:
        data.interactions(table)
    assert str(caught.value).endswith("which interactions need. Use recipe().")


def test_attributes_come_from_the_log_or_from_its_joined_tables(tmp_path):
    data, _ = opened("movielens_1m", tmp_path)
    log = data.interactions(attributes=["gender", "title"])
    assert log["gender"].tolist() == ["F", "F", "M"]
    assert log["title"].tolist() == ["Misérables, Les", "James: and", "James: and"]
    with pytest.raises(KeyError, match=r"no column 'director': the columns are \['user_id', "):
        data.interactions(attributes=["director"])


def test_rows_without_a_time_are_left_out_with_a_warning(tmp_path, caplog):
    rows = "14,148,1,2,t,20200705,1593878903.5,0.5\n14,149,1,2,,,,0.7\n"
    (tmp_path / "small_matrix.csv").write_text(KUAI_HEADER + rows)
    log = public.kuairec(tmp_path).interactions("small")
    assert log["video_id"].tolist() == [148]
    assert "KuaiRec: 1 of 2 rows have no timestamp: they are left out" in caplog.text


def test_the_blocks_of_a_data_set_are_those_of_its_joined_first_table_each_time(tmp_path):
    data, _ = opened("movielens_1m", tmp_path)
    for _ in range(2):
        assert [block.gender.tolist() for block in data] == [["F", "F", "M"]]
