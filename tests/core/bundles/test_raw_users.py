"""Raw users are read as they were meant, or refused with the place and the remedy."""

import datetime
import warnings

import numpy as np
import pandas as pd
import pytest

from torch_rechub.bundles.histories import HistoryForm

FORM = HistoryForm("item", "user", "time")


def _log(times):
    return {"user": [1] * len(times), "item": [f"i{n}" for n in range(len(times))], "time": times}


@pytest.mark.parametrize(
    "times",
    [
        ["2026-03-05", "2026-01-07", "2026-02-01T10:00:00Z"],
        ["2026-01-05T01:00:00+03:00", "2026-01-04", "2026-01-04T21:59:59.5"],
        ["20260305", "2026-01-07 08:00", "2026-02-01"],
    ],
)
def test_text_of_iso_8601_is_ordered_by_its_time(times):
    def moment(text):
        parsed = datetime.datetime.fromisoformat(text)
        return parsed if parsed.tzinfo else parsed.replace(tzinfo=datetime.UTC)

    order = sorted(range(len(times)), key=lambda i: moment(times[i]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = FORM.read(_log(times))
    assert found.items.tolist() == [f"i{i}" for i in order]
    seconds = [moment(times[i]).timestamp() for i in order]
    assert (found.times / found.per_second).tolist() == seconds


@pytest.mark.parametrize(
    "text", ["05.01.2026", "05/01/2026", "01-05-2026", "junk", "1768867200", "2026", "now", ""]
)
def test_text_in_another_form_is_refused_with_its_place(text):
    words = rf"'{{}}' holds {text!r} in row 1, which is no time of ISO 8601: .*to_datetime"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=words.format("time")):
            FORM.read(_log(["2026-01-05", text]))
        with pytest.raises(ValueError, match=words.format("hist_time")):
            FORM.read(
                [
                    {"user": 1, "hist_item": ["a", "b"], "hist_time": ["2025-01-05"] * 2},
                    {"user": 2, "hist_item": ["a"], "hist_time": [text]},
                ]
            )


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_numbers_are_of_the_unit_of_the_bundle(unit):
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    form = HistoryForm("item", "user", "time", unit)
    now = 1_768_867_200 * per_second
    found = form.read(_log([now, now - 60 * per_second]))
    assert (found.times // found.per_second).tolist() == [1_768_867_140, 1_768_867_200]
    last = int(datetime.datetime(2200, 1, 1, tzinfo=datetime.UTC).timestamp()) * per_second
    assert form.read(_log([0, last])).times.tolist() == [0, last]
    words = rf"'time' holds {last + 1} in row 1, .* the unit '{unit}' .* time_unit="
    with pytest.raises(ValueError, match=words):
        form.read(_log([0, last + 1]))


def test_milliseconds_are_not_read_as_seconds():
    users = [{"hist_item": [], "hist_time": []}, {"hist_item": ["a"], "hist_time": [1768867200123]}]
    with pytest.raises(ValueError, match=r"'hist_time' holds 1768867200123 in row 1, .*time_unit="):
        FORM.read(users)
    assert FORM.read(_log([datetime.date(2300, 1, 1)])).items.tolist() == ["i0"]


def test_one_of_several_users_without_a_key_is_refused():
    users = [
        {"user": 1, "hist_item": ["a"], "hist_time": [3]},
        {"user": 2, "hist_items": ["b"], "hist_time": [4]},
    ]
    words = r"row 1 of users has no 'hist_item'; give \[\] for a user without history"
    with pytest.raises(KeyError, match=words):
        FORM.read(users)
    users[1]["hist_item"] = users[1]["hist_time"] = None
    found = FORM.read(users)
    assert (found.items.tolist(), found.start.tolist()) == (["a"], [0, 1, 1])
    for key in ("hist_time", "user"):
        lacking = [{name: v for name, v in users[0].items() if name != key}, users[1]]
        with pytest.raises(KeyError, match=f"row 0 of users has no '{key}'"):
            FORM.read(lacking)
    rows = [{"age": 3}, {"user": 2, "note": "?"}]
    with pytest.raises(KeyError, match="row 1 of users has no 'age'; give None"):
        HistoryForm("item").read(rows, needs_history=False, columns=["age"])
    with pytest.raises(KeyError, match="row 1 of users has no 'time'"):
        FORM.read([{"user": 1, "item": "a", "time": 2}, {"user": 1, "item": "a"}])


@pytest.mark.parametrize("nobody", [[], {}, pd.DataFrame()], ids=["rows", "columns", "frame"])
@pytest.mark.parametrize("form", [FORM, HistoryForm("item", "user"), HistoryForm("item")])
def test_nobody_has_no_histories(nobody, form):
    found = form.read(nobody)
    assert found.name == (form.user or "row")
    assert [len(found.users), len(found.items), found.start.tolist()] == [0, 0, [0]]


@pytest.mark.parametrize("history", [[[1001]], [3, (1001,)], [np.array([1001])]])
def test_a_list_in_a_history_is_refused_with_its_row(history):
    users = {"hist_item": [[1], history], "hist_time": [[1], [2] * len(history)]}
    kind = type(history[-1]).__name__
    with pytest.raises(TypeError, match=f"row 1 of hist_item holds a {kind} in a list"):
        FORM.read(users)
