"""The trials of a search, read from the runs of any tracker, and drawn on a page."""

import json
import re
from importlib import resources

import numpy as np
import pytest
from scipy import stats

from torch_rechub.runs import Run, compare, plot
from torch_rechub.runs.importance import importance, kruskal_wallis
from torch_rechub.runs.searches import searches, trials_by_study
from torch_rechub.runs.trials import RecordedTrial, trial_of
from torch_rechub.runs.views import comparison_table, run_records, run_table

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&\u2028{{data}}"


def run(number, auc, state="finished", seed=0, status="finished", study="s", **params):
    """The run of a trial as JSON lines hold it, with two epochs if there is a value."""
    about = {"number": number, "study": study, "params": list(params)}
    if state:
        about["state"] = state
    metrics = {} if auc is None else {"val/auc": [(0, auc - 0.1), (1, auc)]}
    hyperparams = {**params, "trial": about, "seed": seed}
    return Run(
        f"t{number}",
        "jsonl",
        f"{number}-{seed}",
        "p",
        status,
        None,
        None,
        None,
        hyperparams,
        metrics,
    )


def flattened(given):
    """The same run as TensorBoard holds it: flat names, lists as JSON, all numbers floats."""
    params = dict(given.hyperparams)
    about = params.pop("trial")
    texts = {k: json.dumps(v) if isinstance(v, list) else v for k, v in params.items()}
    texts |= {f"trial/{k}": json.dumps(v) if k == "params" else v for k, v in about.items()}
    floats = {k: float(v) if type(v) is int else v for k, v in texts.items()}
    return Run(given.name, "tensorboardx", given.path, hyperparams=floats, metrics=given.metrics)


@pytest.mark.parametrize("stored", [lambda run: run, flattened], ids=["nested", "flat"])
def test_a_trial_is_read_whichever_way_a_tracker_holds_it(stored):
    given = run(3, 0.7, "pruned", seed=5, lr=0.01, dims=[64, 32], width=8, act="relu")
    assert trial_of(stored(given)) == RecordedTrial(
        "s", 3, 5, "pruned", {"lr": 0.01, "dims": [64, 32], "width": 8, "act": "relu"}
    )


@pytest.mark.parametrize(
    "hyperparams",
    [
        {},
        {"trial": 3},
        {"trial": {"number": "3", "study": "s", "params": []}},
        {"trial": {"number": 3, "study": None, "params": []}},
        {"trial": {"number": 3, "study": "s", "params": "lr"}},
        {"trial": {"number": True, "study": "s", "params": []}},
        {"trial/number": 3},
    ],
)
def test_a_hyper_parameter_called_trial_of_another_kind_is_no_trial(hyperparams):
    assert trial_of(Run("a", "jsonl", "a", hyperparams=hyperparams)) is None


def test_the_value_of_a_trial_is_the_mean_over_its_seeds():
    runs = [
        run(0, 0.7, seed=0, lr=1.0), run(0, 0.8, seed=1, lr=1.0),
        run(1, 0.5, "pruned", lr=2.0),
        run(2, 0.9, seed=0, lr=3.0), run(2, 0.6, "failed", seed=1, status="failed", lr=3.0),
        run(3, 0.9, seed=0, lr=4.0), run(3, 0.6, None, seed=1, status="unfinished", lr=4.0),
        run(4, 0.9, seed=0, lr=5.0),
    ]  # fmt: skip
    ((key, trials),) = trials_by_study(runs, "val/auc", "max").items()
    assert key == ("jsonl", "p", "s")
    assert [(t.number, t.state, t.n) for t in trials] == [
        (0, "finished", 2), (1, "pruned", 1), (2, "failed", 2), (3, "unfinished", 2),
        (4, "unfinished", 1),
    ]  # fmt: skip
    values = [0.75, 0.5, None, 0.75, 0.9]
    assert [t.value for t in trials] == [v if v is None else pytest.approx(v) for v in values]


def test_a_run_that_was_repeated_after_an_interruption_counts_once():
    killed, again = run(0, 0.9, None, status="unfinished", lr=1.0), run(0, 0.7, lr=1.0)
    for runs in ([killed, again], [again, killed]):
        ((trial,),) = trials_by_study(runs, "val/auc", "max").values()
        assert (trial.state, trial.value, trial.n) == ("finished", 0.7, 1)


# Importance


@pytest.mark.parametrize("seed", range(5))
def test_the_statistic_is_that_of_scipy(seed):
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 4, 40).tolist()
    values = rng.integers(0, 15, 40).astype(float).tolist()  # with ties
    parts = [[v for g, v in zip(groups, values) if g == k] for k in set(groups)]
    assert kruskal_wallis(groups, values) == pytest.approx(stats.kruskal(*parts).statistic)


def test_a_parameter_that_decides_alone_has_all_the_importance_and_others_little():
    rng = np.random.default_rng(0)
    lr, noise = rng.uniform(-4, -1, 200), rng.uniform(0, 1, 200)
    act = rng.choice(["relu", "dice"], 200)
    values = -((lr + 2.5) ** 2)
    assert importance(lr.tolist(), values.tolist()) > 0.8
    assert importance(noise.tolist(), values.tolist()) < 0.1
    assert importance(act.tolist(), values.tolist()) < 0.1
    assert importance(act.tolist(), (act == "relu").astype(float).tolist()) == pytest.approx(1)


def test_one_diverged_trial_does_not_change_the_importance():
    numbers = list(range(40))
    values = [float(n) for n in numbers]
    assert importance(numbers, [-1e300, *values[1:]]) == importance(numbers, values)


@pytest.mark.parametrize(
    ("params", "values"),
    [([], []), ([1], [1.0]), ([1, 2] * 7, [0.5] * 14), ([1] * 30, list(range(30)))],
)
def test_too_few_trials_or_values_have_no_importance(params, values):
    assert importance(params, values) is None


# Tables


@pytest.mark.parametrize("stored", [lambda run: run, flattened], ids=["nested", "flat"])
def test_a_comparison_shows_the_trial_and_its_state(stored):
    runs = [
        run(0, 0.7, seed=0, lr=1.0), run(0, 0.8, seed=1, lr=1.0),
        run(12, 0.6, "pruned", lr=2.0), run(3, 0.5, None, status="unfinished", lr=3.0),
    ]  # fmt: skip
    found = compare([stored(run) for run in runs], "val/auc")
    table = comparison_table(found, found.rows)
    columns = dict(zip(table.header, zip(*table.rows)))
    assert columns["state"] == ("finished", "unfinished", "pruned")
    assert columns["trial"] == ("0", "3", "12")
    assert "trial" in table.numeric
    assert not [name for name in table.header if name.startswith("trial/")]
    other = compare([Run("a", "jsonl", "a", metrics={"val/auc": [(0, 0.5)]})])
    without = comparison_table(other, other.rows)
    assert not {"trial", "state"} & set(without.header)


def test_trials_with_the_same_parameters_are_rows_of_their_own():
    runs = [run(0, 0.7, lr=1.0), run(0, 0.8, seed=1, lr=1.0), run(1, 0.6, lr=1.0)]
    runs += [run(2, 0.5, "pruned", lr=1.0), run(0, 0.4, study="other", lr=1.0)]
    found = compare(runs, "val/auc")
    assert [[trial_of(r).number for r in row.runs] for row in found.rows] == [[0, 0], [1], [0], [2]]


def test_a_pruned_trial_is_ranked_below_those_that_ended():
    found = compare([run(0, 0.7, lr=1.0), run(1, 0.9, "pruned", lr=2.0)], "val/auc")
    assert [row.best.mean for row in found.rows] == [0.7, 0.9]


def test_the_list_of_runs_shows_a_pruned_one_as_pruned():
    runs = [run(0, 0.7, lr=1.0), run(1, 0.6, "pruned", lr=2.0)]
    records = run_records(runs, "val/auc", "max")
    assert [record["status"] for record in records] == ["finished", "pruned"]
    assert "pruned" in run_table(records, "val/auc").rows[1]


# The page


@pytest.fixture
def drawn(tmp_path):
    """A function that draws runs; returns the data of the page, and the page."""

    def draw(runs):
        plot(compare(runs, "val/auc"), tmp_path / "out.html")
        text = (tmp_path / "out.html").read_text(encoding="utf-8")
        embedded = re.search(
            r'<script type="application/json" id="data">(.*?)</script>', text, re.S
        )
        return json.loads(embedded[1]), text

    return draw


def test_the_page_has_each_search_with_its_trials_axes_and_importance(drawn):
    runs = [run(n, 0.5 + n / 100, lr=10.0 ** (n % 5), act="ab"[n % 2], dims=[n]) for n in range(20)]
    runs += [run(20, None, "failed", status="failed", lr=1.0, act="a", dims=[20])]
    runs += [flattened(r) for r in runs[:3]] + [Run("x", "jsonl", "x", metrics=runs[0].metrics)]
    data, _ = drawn(runs)
    first, second = data["searches"]
    assert (first["title"], second["title"]) == ("s (jsonl)", "s (tensorboardx)")
    assert first["states"] == {"finished": 20, "failed": 1}
    assert [t["number"] for t in first["trials"]] == list(range(21))
    assert first["trials"][20]["value"] is None
    lr, act, dims = first["axes"]
    assert (lr["name"], lr["texts"][1]) == ("lr", "10")
    assert lr["places"][:5] == pytest.approx([0, 0.25, 0.5, 0.75, 1])  # logarithmic
    assert act["ticks"] == [[0.25, "a"], [0.75, "b"]]
    assert (dims["texts"][3], len(dims["ticks"])) == ("[3]", 21)
    values = [t["value"] for t in first["trials"][:20]]
    expected = importance([r.hyperparams["lr"] for r in runs[:20]], values)
    assert first["importance"][0] == expected
    assert second["importance"] == [None, None, None]


def test_pruned_trials_share_the_last_place_in_importance(drawn):
    runs = [run(n, 0.5 + n % 2, x=n) for n in range(20)]
    runs += [run(20 + n, 0.9, "pruned", x=20 + n) for n in range(20)]
    (search,) = drawn(runs)[0]["searches"]
    values = [0.5 + n % 2 for n in range(20)] + [0.0] * 20
    assert search["importance"] == [importance(list(range(40)), values)]
    assert search["importance"][0] > 0.5


def test_numbers_of_any_size_have_an_axis(drawn):
    values = [10**400, 1e308, float("nan"), float("inf"), -1, True, None, 0.0]
    (search,) = drawn([run(n, 0.5, x=value) for n, value in enumerate(values)])[0]["searches"]
    assert len(search["axes"][0]["places"]) == len(values)
    (search,) = drawn([run(n, 0.5, x=value) for n, value in enumerate([-1e299, 1e299])])[0][
        "searches"
    ]
    assert search["axes"][0]["places"] == [0.0, 1.0]


def test_runs_without_a_search_have_none_on_their_page(drawn):
    data, _ = drawn([Run("a", "jsonl", "a", metrics={"val/auc": [(0, 0.5)]})])
    assert data["searches"] == []


def test_hostile_names_are_text_on_the_page_of_a_search(drawn):
    plain = [run(n, 0.5, x=n) for n in range(3)]
    hostile = [run(n, 0.5, study=HOSTILE, **{HOSTILE: [HOSTILE, n]}) for n in range(3)]
    tags = [re.findall(r"<(\w+)", drawn(runs)[1]) for runs in (plain, hostile)]
    assert set(tags[0]) == set(tags[1])
    assert tags[1].count("script") == 2
    data, _ = drawn(hostile)
    assert data["searches"][0]["axes"][0]["name"].startswith("</script>")
    bidirectional = drawn([run(0, 0.5, study="\u202ea", x=1)])[0]["searches"][0]["title"]
    assert bidirectional == "\\u202ea (jsonl)"


def test_thousands_of_trials_are_drawn_in_part_and_counted():
    (search,) = searches([run(n, 0.5, x=n % 7) for n in range(2_100)], "val/auc", "max")
    assert (len(search["trials"]), search["hidden"]) == (2_000, 100)
    assert len(search["axes"][0]["places"]) == 2_000


def test_the_scripts_read_nothing_that_the_data_lack(drawn):
    data, _ = drawn([run(n, 0.5, x=n) for n in range(3)])
    folder = resources.files("torch_rechub.runs") / "page"
    curves, search = ((folder / name).read_text() for name in ("curves.js", "search.js"))
    made = {"index", "points", "length"}
    assert set(re.findall(r"\bdata\.(\w+)", curves)) <= set(data)
    assert set(re.findall(r"\bcurve\.(\w+)", curves)) <= set(data["curves"][0]) | made
    unpacked = re.findall(r"drawCurve\(root, \{ (.*?) \}", curves)
    assert set(unpacked[0].split(", ")) <= set(data["curves"][0]) | made
    (first,) = data["searches"]
    assert set(re.findall(r"\bsearch\.(\w+)", search)) <= set(first)
    assert set(re.findall(r"\baxis\.(\w+)", search)) <= set(first["axes"][0])
    assert set(re.findall(r"\btrial\.(\w+)", search)) <= {*first["trials"][0], "at"}
