"""Histories against loops over records, and against the builders for scripts of 0.9."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.interactions.random_log import NAMES, interactions, random_log
from torch_rechub.data.interactions import Interactions, LeakError
from torch_rechub.data.interactions.leaks import check_past
from torch_rechub.data.interactions.windows import windows_before
from torch_rechub.data.match_sequence import gen_model_input, generate_seq_feature_match
from torch_rechub.data.sequence import generate_seq_feature

LOG = random_log()
PAST_OF = {
    "random": {"train": ["train"], "validation": ["train"], "test": ["train"]},
    "by_user": {name: [name] for name in ("train", "validation", "test")},
    "in_order": {
        "train": ["train"],
        "validation": ["train", "validation"],
        "test": ["train", "validation", "test"],
    },
}
PAST_OF["by_time"] = PAST_OF["in_order"]


def pad(values, width):
    return [0] * (width - len(values)) + list(values)


def naive(records, past, width, ties="row_order", min_history=1):
    """The samples of records (row, user, item, history, its categories, gaps, ages)."""
    found = []
    for r in records:
        own = [p for p in past if p["user"] == r["user"]]
        if ties == "row_order":
            own = [p for p in own if (p["time"], p["row"]) < (r["time"], r["row"])]
        else:
            own = [p for p in own if p["time"] < r["time"]]
        gaps = [b["time"] - a["time"] for a, b in zip(own[:1] + own, own, strict=False)]
        if len(own) < min_history:
            continue
        last = own[-width:]
        columns = ([p["item"] for p in last], [p["cate"] for p in last], gaps[-width:])
        ages = ([r["time"] - p["time"] for p in last], [own[-1]["time"] - p["time"] for p in last])
        padded = [pad(column, width) for column in (*columns, *ages)]
        found.append((r["row"], r["user"], r["item"], r["cate"], r["device"], *padded))
    return found


def as_tuples(x):
    names = ["user", "item", "cate", "device", "hist_item", "hist_cate", "hist_since_previous"]
    names += ["hist_until_request", "hist_until_last"]
    return list(zip(x.rows.tolist(), *(x[name].tolist() for name in names), strict=True))


OPTIONS = {
    "attributes": ["cate"],
    "context": ["device"],
    "seconds": ["since_previous", "until_request", "until_last"],
}


@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 999),
    width=st.integers(1, 9),
    ties=st.sampled_from(["row_order", "exclude"]),
    min_history=st.integers(0, 3),
)
def test_histories_are_those_of_a_loop(seed, width, ties, min_history):
    data = interactions(random_log(90, seed=seed)).encode()
    records = in_order_of(data)
    x = data.samples(width, ties=ties, min_history=min_history, **OPTIONS)
    assert as_tuples(x) == naive(records, records, width, ties, min_history)


def in_order_of(data):
    """The encoded rows as records, in the order of the object."""
    columns = {name: data[name].tolist() for name in (*NAMES, "cate", "device")}
    return [
        dict(zip(columns, values, strict=True), row=row)
        for row, *values in zip(data.rows.tolist(), *columns.values(), strict=True)
    ]


@pytest.mark.parametrize("rule", PAST_OF)
def test_histories_of_a_part_come_from_the_rows_that_its_rule_allows(rule):
    data = interactions(LOG).encode()
    split = {
        "random": lambda: data.random((0.6, 0.2, 0.2)),
        "by_user": lambda: data.by_user((0.4, 0.3, 0.3)),
        "in_order": lambda: data.leave_one_out(2),
        "by_time": lambda: data.by_time(cutoffs=(900, 1800)),
    }[rule]()
    assert split.rule == rule
    records = {name: in_order_of(part) for name, part in split.parts().items()}
    for name, part in split.parts().items():
        past = [r for other in PAST_OF[rule][name] for r in records[other]]
        past.sort(key=lambda r: (r["user"], r["time"], r["row"]))
        found = as_tuples(part.samples(4, **OPTIONS))
        assert found == naive(records[name], past, 4)
        assert len(found) > 0


def test_equal_times_of_two_users_are_no_ties():
    log = {"user": [1, 1, 2, 2], "item": [5, 6, 7, 8], "time": [1, 9, 9, 10]}
    x = Interactions(log, "user", "item", "time").samples(2, ties="exclude", min_history=0)
    assert x["hist_item"].tolist() == [[0, 0], [0, 5], [0, 0], [0, 7]]


def test_a_filter_of_a_part_selects_targets_and_leaves_histories():
    split = interactions(LOG).encode().leave_one_out(2)
    every, some = split.test.samples(5), split.test.positives(4).samples(5)
    kept = np.isin(every.rows, split.test.positives(4).rows)
    assert 0 < len(some.rows) < len(every.rows)
    assert (some["hist_item"] == every["hist_item"][kept]).all()


def test_histories_of_positives_leave_out_other_rows():
    data = interactions(LOG).encode()
    records = in_order_of(data)
    positive = [r for r in records if r["rating"] >= 4]
    x = data.samples(6, positives=4, labels=True, **OPTIONS)
    assert as_tuples(x) == naive(records, positive, 6)
    assert x.y.tolist() == LOG["rating"][x.rows].tolist()


@pytest.mark.parametrize("stride", [1, 3, 5, None])
def test_pieces_end_a_stride_apart(stride):
    data = interactions(LOG).encode()
    expected = []
    for user in dict.fromkeys(data["user"].tolist()):
        items = [r["item"] for r in in_order_of(data) if r["user"] == user]
        for end in range(len(items), 1, -(stride or 4)):
            piece = items[max(0, end - 5) : end]
            expected.append((user, pad(piece[:-1], 4), pad(piece[1:], 4), piece[-1]))
    x = data.pieces(4, stride=stride)
    names = ("user", "hist_item", "next_item", "item")
    assert list(zip(*(x[name].tolist() for name in names), strict=True)) == expected


def test_pieces_of_a_part_hold_rows_of_that_part_alone():
    split = interactions(LOG).encode().leave_one_out()
    x = split.train.pieces(100)
    sizes = pd.Series(split.train["user"]).value_counts()
    assert (x["hist_item"] > 0).sum() == (sizes - 1).sum()
    assert len(split.test.pieces(3).rows) == 0  # one row of each user


def test_inputs_of_sequence_models_end_with_the_last_row_or_the_request():
    log = {"user": [1] * 4, "item": [5, 6, 7, 8], "time": [0, 2500, 7100, 9900]}
    x = Interactions(log, "user", "item", "time", time_unit="ms").samples(3, min_history=2)
    inputs = x.sequence_inputs()
    assert inputs["seq_tokens"].tolist() == [[0, 5, 6], [5, 6, 7]]
    assert inputs["seq_positions"].tolist() == [[0, 1, 2]] * 2
    assert inputs["targets"].tolist() == [7, 8]
    assert inputs["seq_time_diffs"].tolist() == [[0, 2, 0], [7, 4, 0]]  # rounded down
    assert x.sequence_inputs("request")["seq_time_diffs"].tolist() == [[0, 7, 4], [9, 7, 2]]
    first, last = x.sequence_loader(1, reference="request")
    assert [column.tolist() for column in first] == [[[0, 5, 6]], [[0, 1, 2]], [[0, 7, 4]], [7]]
    assert [column.tolist() for column in last] == [[[5, 6, 7]], [[0, 1, 2]], [[9, 7, 2]], [8]]


def test_samples_equal_those_of_the_retrieval_builder():
    encoded = interactions(LOG).encode()
    frame = encoded.frame().sort_index()
    train, test = generate_seq_feature_match(frame, "user", "item", "time", ["cate"])
    none = pd.DataFrame({"user": frame["user"].unique()})
    items = pd.DataFrame({"item": frame["item"].unique()})
    split = encoded.leave_one_out()
    x = encoded.samples(7, attributes=["cate"])
    for builder, part in (
        (train, np.isin(x.rows, [*split.train.rows, *split.validation.rows])),
        (test, np.isin(x.rows, split.test.rows)),
    ):
        made = gen_model_input(builder, none, "user", items, "item", 7)
        names = ("user", "item", "hist_item", "hist_cate")
        rows = [np.column_stack([made[name] for name in names])]
        rows.append(np.column_stack([x[name][part] for name in names]))
        assert len(rows[0]) > 0
        assert sorted(rows[0].tolist()) == sorted(rows[1].tolist())


def test_samples_of_each_part_equal_those_of_the_ranking_builder():
    frame = LOG[["user", "item", "time"]].copy()
    builder = generate_seq_feature(frame, "user", "item", "time", max_len=6, shuffle=False)
    split = Interactions(frame, "user", "item", "time").leave_one_out()  # encoded in place
    for made, part in zip(builder, split, strict=True):
        made, x = made[made["label"] == 1], part.samples(6)
        assert x["user"].tolist() == made["user"].tolist()
        assert x["item"].tolist() == made["target_item"].tolist()
        moved = [pad([i for i in row if i], 6) for row in made["hist_item"].tolist()]
        assert x["hist_item"].tolist() == moved


def test_a_loader_yields_all_columns_and_labels():
    x = interactions(LOG).encode().samples(3, labels=True)
    batches = list(x.loader(64))
    assert sum(len(y) for _, y in batches) == len(x.rows)
    assert batches[0][0]["hist_item"].tolist() == x["hist_item"][:64].tolist()


def test_planted_rows_in_histories_are_leaks():
    log = {"u": [1, 1, 1, 2], "i": [5, 6, 7, 8], "t": [1, 2, 2, 3]}
    data = Interactions(log, "u", "i", "t")._log
    target, everything = np.array([1]), np.arange(4)
    check_past(data, target, np.array([[-1, 0]]), everything, "exclude")
    for history, past, ties, message in (
        (1, everything, "row_order", r"row 1 \(time 2\) in the history of row 1 .* is not before"),
        (2, everything, "row_order", "is not before the target"),
        (3, everything, "row_order", "row 3 .* is of another user"),
        (0, np.array([1, 2]), "row_order", "is in a part that the history must not read"),
    ):
        with pytest.raises(LeakError, match=message):
            check_past(data, target, np.array([[history]]), past, ties)
    check_past(data, np.array([2]), np.array([[1]]), everything, "row_order")
    with pytest.raises(LeakError, match="is not before the target"):
        check_past(data, np.array([2]), np.array([[1]]), everything, "exclude")


def test_a_history_that_reads_too_far_is_refused():
    log = interactions(LOG)._log
    place = np.arange(len(log.row))
    windows = windows_before(log, place, place, 5, "row_order")
    windows.stop[7] += 1
    with pytest.raises(LeakError, match="is not before the target"):
        windows.check("row_order")


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda d: d.samples(), TypeError, "whole numbers in column 'user', which holds .*encode"),
        (lambda d: d.encode(), None, None),
        (lambda d: d.encode().samples(0), ValueError, "max_length must be at least 1, got 0"),
        (lambda d: d.encode().samples(min_history=-1), ValueError, "min_history must be at least"),
        (
            lambda d: d.encode().samples(ties="both"),
            NotImplementedError,
            "ties must be 'row_order'",
        ),
        (lambda d: d.encode().samples(seconds=["x"]), NotImplementedError, "seconds must be of"),
        (lambda d: d.encode().samples(seconds="x"), TypeError, "seconds must be a list"),
        (lambda d: d.encode().samples(attributes=["no"]), KeyError, "there is no column 'no'"),
        (lambda d: d.encode().pieces(stride=0), ValueError, "stride must be at least 1"),
        (
            lambda d: d.encode({n: d.count_values([n])[n] for n in ("user", "item")}).samples(
                attributes=["cate"]
            ),
            TypeError,
            r"needs numbers in column 'cate'",
        ),
        (
            lambda d: d.encode().samples().sequence_inputs("first"),
            NotImplementedError,
            "reference must be 'last' or 'request', got 'first'",
        ),
    ],
)
def test_impossible_samples_are_refused(make, error, message):
    data = interactions(LOG)
    if error is None:
        make(data)
        return
    with pytest.raises(error, match=message):
        make(data)


def test_labels_of_the_past_are_a_column_but_never_that_of_the_target():
    data = interactions(LOG).encode()
    x = data.samples(4, past_labels=True)
    rating = dict(zip(data.rows.tolist(), data["rating"].tolist(), strict=True))
    records = in_order_of(data)
    expected = [
        [rating[p["row"]] for p in records[:i] if p["user"] == r["user"]][-4:]
        for i, r in enumerate(records)
    ]
    assert x["hist_rating"].tolist() == [pad(past, 4) for past in expected if past]
    for names in ({"attributes": ["rating"]}, {"context": ["rating"]}):
        with pytest.raises(LeakError, match="'rating' is the label: as an attribute or as context"):
            data.samples(4, **names)
        with pytest.raises(LeakError, match="'rating' is the label"):
            data.pieces(4, **names)
        with pytest.raises(LeakError, match="'rating' is the label"):
            data.leave_one_out().test.retrieval(4, **names)


def test_an_item_of_padding_is_refused():
    data = Interactions({"u": [1, 1], "i": [0, 1], "t": [1, 2]}, "u", "i", "t")
    with pytest.raises(ValueError, match=r"ids of at least 1 in column 'i', because 0 pads"):
        data.samples()
    with pytest.raises(ValueError, match="there is no label column"):
        data.encode().samples(labels=True)
    with pytest.raises(ValueError, match="there is no label column"):
        data.positives(1)
