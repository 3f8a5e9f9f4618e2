"""`difference` names exactly what was changed between two training runs, and nothing else."""

import subprocess
from dataclasses import replace

import numpy as np
import pytest
import torch

from core.runs.planted import Plan, named, run_of, table
from torch_rechub.data.interactions import Interactions
from torch_rechub.data.streaming import ShardWriter, StreamingLoader
from torch_rechub.runs import difference
from torch_rechub.training.reporting import code_state, environment, hyperparams

ALL = ("train", "val", "test")
BASE, SPLIT = Plan(), Plan(split_seed=1)
ORDER = np.random.default_rng(9).permutation(60)


def put(name, row, value):
    def change(x):
        x[name][row] = value
        return x

    return change


def flipped(plan, rows):
    x, y = plan.parts["train"]
    y = y.copy()
    y[rows] = 1 - y[rows]
    return plan.with_part("train", (x, y))


def swapped(x):
    x["item"][[0, 1]] = x["item"][0] + 1, x["item"][0]  # two rows that differ
    return x


def reordered(plan, order=ORDER):
    x, y = plan.parts["train"]
    return plan.with_part("train", ({n: v[order] for n, v in x.items()}, y[order]))


def longer(plan):
    return plan.with_part("val", table(1, 61))


def data(name, how, where=("train",)):
    return ("data", name, how, where)


def setting(name):
    return ("settings", name, "", ())


def seed(name="torch_seed"):
    return ("seed", name, "", ())


def ids(x):
    return {"kunde": x.pop("user"), **x, "user": x["item"] % 5}


PLANTED = {
    "nothing": (BASE, BASE, []),
    "nothing, of a random split": (SPLIT, SPLIT, []),
    "one value of one row": (BASE, BASE.with_x("train", put("price", 7, 2.0)), [
        data("price", "other values")]),
    "one value of one row of validation": (BASE, BASE.with_x("val", put("item", 3, 8888)), [
        data("item", "other values", ("val",))]),
    "a value becomes missing": (BASE, BASE.with_x("test", put("price", 0, np.nan)), [
        data("price", "other values", ("test",))]),
    "values of two columns": (
        BASE, BASE.with_x("train", lambda x: put("item", 1, 77)(put("price", 0, 3.0)(x))),
        [data("item", "other values"), data("price", "other values")]),
    "two values of a column change places": (
        BASE.with_x("train", put("item", slice(0, 2), [3, 4])),
        BASE.with_x("train", put("item", slice(0, 2), [4, 3])),
        [data("item", "same values in other rows")]),
    "order of rows": (BASE, reordered(BASE), [data("", "order of rows")]),
    "two rows change places": (
        BASE, reordered(BASE, [5, *range(1, 5), 0, *range(6, 60)]), [data("", "order of rows")]),
    "order of rows of a table that is split": (SPLIT, reordered(SPLIT), [
        data("", "order of rows, before the split", ALL)]),
    "type of a column": (
        BASE, BASE.with_x("train", lambda x: x | {"item": x["item"].astype(np.int32)}),
        [data("item", "type")]),
    "type of a column in all parts": (
        BASE, BASE.everywhere(lambda x: x | {"constant": x["constant"].astype(np.float32)}),
        [data("constant", "type", ALL)]),
    "a column renamed": (
        BASE, BASE.everywhere(lambda x: {("cost" if n == "price" else n): v for n, v in x.items()}),
        [data("price", "column renamed", ALL)]),
    "a column added": (
        BASE, BASE.everywhere(lambda x: x | {"age": x["item"] * 3}),
        [data("age", "column added", ALL)]),
    "a column removed": (
        BASE, BASE.everywhere(lambda x: {n: v for n, v in x.items() if n != "price"}),
        [data("price", "column removed", ALL)]),
    "a column renamed, and its name given to another": (
        BASE, BASE.with_x("train", ids),
        [data("kunde", "column added"), data("user", "other values")]),
    "a column in vectors": (
        BASE, BASE.with_x("train", lambda x: x | {"price": x["price"][:, None]}),
        [data("price", "type"), data("price", "other values")]),
    "a label flipped": (BASE, flipped(BASE, [4]), [data("y", "other values, label rate")]),
    "two labels exchanged": (BASE, flipped(BASE, [4, 5]), [
        data("y", "same values in other rows")]),
    "a row more": (BASE, longer(BASE), [
        data("", "number of rows", ("val",)), data("", "label rate", ("val",))]),
    "rows twice as often": (
        BASE, BASE.with_part("test", table(2, 120)),
        [data("", "number of rows", ("test",))]),
    "the seed of the split": (SPLIT, replace(SPLIT, split_seed=2), [("split", "seed", "", ALL)]),
    "the shares of the split": (SPLIT, replace(SPLIT, shares=(0.25, 0.5)), [
        ("split", "shares", "", ALL)]),
    "a value of a table that is split": (
        SPLIT.with_x("train", put("price", slice(None), 1.0)),
        SPLIT.with_x("train", put("price", slice(None), 2.0)),
        [data("price", "other values", ALL)]),
    "the names behind the ids": (Plan(cities="aabbccaabbcc"), Plan(cities="xxyyzzxxyyzz"), [
        ("vocabulary", "", "fitted on other data or with other settings", ALL)]),
    "the size of a vocabulary": (BASE, replace(BASE, users=6), [
        ("vocabulary", "user", "size of the input in the model", ()), setting("n_parameters")]),
    "the learning rate": (
        BASE, replace(BASE, settings={"optimizer_params": {"lr": 0.5, "weight_decay": 1e-5}}),
        [setting("learning_rate")]),
    "a nested setting": (
        replace(BASE, config={"mlp": {"dims": [8, 4], "act": "relu"}}),
        replace(BASE, config={"mlp": {"dims": [8, 2], "act": "relu"}}), [setting("mlp/dims")]),
    "the size of batches": (BASE, replace(BASE, batch_size=30), [setting("batch_size")]),
    "the seed": (BASE, replace(BASE, seed=5), [seed()]),
    "a seed of the user": (
        replace(BASE, config={"seed": 1}), replace(BASE, config={"seed": 2}), [seed("seed")]),
    "a setting called data": (
        replace(BASE, config={"data_set": "a"}), replace(BASE, config={"data_set": "b"}),
        [setting("data_set")]),
    "two things": (
        BASE, replace(BASE.with_x("train", put("price", 7, 2.0)), seed=3),
        [data("price", "other values"), seed()]),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANTED)
def test_the_difference_is_what_was_planted_and_nothing_else(name, tmp_path):
    before, after, expected = PLANTED[name]
    runs = [run_of(plan, tmp_path / letter) for letter, plan in (("a", before), ("b", after))]
    found = difference(*runs)
    assert named(found) == expected
    assert {"code: not recorded in either run"} <= set(found.unknown)


def test_values_of_both_runs_are_given(tmp_path):
    before, after, _ = PLANTED["a label flipped"]
    runs = [run_of(plan, tmp_path / letter) for letter, plan in (("a", before), ("b", after))]
    (change,) = difference(*runs).changes
    rate = 0.5 + 1 / 60 * (1 if after.parts["train"][1][4] else -1)
    assert (change.before, change.after) == pytest.approx((0.5, rate))


def test_a_version_of_a_library(tmp_path, monkeypatch):
    before = run_of(BASE, tmp_path / "a")
    real = hyperparams.version
    monkeypatch.setattr(hyperparams, "version", lambda n: "9.9" if n == "numpy" else real(n))
    found = difference(before, run_of(BASE, tmp_path / "b"))
    assert named(found) == [("environment", "numpy", "", ())]
    assert (found.changes[0].before, found.changes[0].after) == (real("numpy"), "9.9")


def test_a_version_of_any_imported_package_if_it_is_recorded(tmp_path, monkeypatch):
    before = run_of(BASE, tmp_path / "a", environment=True)
    real = environment._version
    monkeypatch.setattr(environment, "_version", lambda n: "9.9" if n == "pytest" else real(n))
    found = difference(before, run_of(BASE, tmp_path / "b", environment=True))
    assert named(found) == [("environment", "pytest", "", ())]
    assert not any("environment" in text for text in found.unknown)


def test_a_package_that_only_one_run_imports(tmp_path, monkeypatch):
    before = run_of(BASE, tmp_path / "a", environment=True)
    monkeypatch.setattr(environment, "_by_module", lambda: {"torch": ["torch"]})
    found = difference(before, run_of(BASE, tmp_path / "b", environment=True))
    assert ("environment", "pytest", "imported in one run only", ()) in named(found)


def test_an_environment_that_one_run_has_not_recorded_is_unknown(tmp_path):
    found = difference(run_of(BASE, tmp_path / "a", environment=True), run_of(BASE, tmp_path / "b"))
    assert named(found) == []
    assert [t for t in found.unknown if t.startswith("environment, but for numpy, python")]


@pytest.fixture
def repository(tmp_path, monkeypatch):
    folder = tmp_path / "code"
    folder.mkdir()

    def git(*arguments):
        command = ["git", "-C", folder, "-c", "user.name=me", "-c", "user.email=me@example.org"]
        subprocess.run([*command, *arguments], check=True, capture_output=True)

    git("init")
    (folder / "train.py").write_text("print(1)\n")
    git("add", "-A")
    git("commit", "-m", "one")
    monkeypatch.setattr(code_state, "_folder", lambda: folder)
    return folder, git


def recorded_code(tmp_path, *steps):
    runs = []
    for number, step in enumerate(steps):
        step()
        runs.append(run_of(BASE, tmp_path / str(number), code=True))
    return difference(*runs)


def test_the_same_commit(tmp_path, repository):
    found = recorded_code(tmp_path, lambda: None, lambda: None)
    assert named(found) == []
    assert not any("code" in text for text in found.unknown)


def test_another_commit(tmp_path, repository):
    folder, git = repository

    def commit():
        (folder / "train.py").write_text("print(2)\n")
        git("commit", "-am", "two")

    found = recorded_code(tmp_path, lambda: None, commit)
    assert named(found) == [("code", "commit", "", ())]


def test_a_change_that_is_not_committed(tmp_path, repository):
    folder, _ = repository
    change = lambda: (folder / "train.py").write_text("print(2)\n")  # noqa: E731
    found = recorded_code(tmp_path, lambda: None, change)
    assert [(c.name, c.before, c.after) for c in found.changes] == [("dirty", False, True)]


def test_two_changes_that_are_not_committed(tmp_path, repository):
    folder, _ = repository
    first, second = (
        lambda: (folder / "train.py").write_text("print('hunter2')\n"),
        lambda: (folder / "new.py").write_text("print(4)\n"),
    )
    found = recorded_code(tmp_path, first, second)
    assert named(found) == [("code", "changes", "", ())]
    assert "hunter2" not in str(found.a.hyperparams)


def test_code_without_a_repository_is_unknown(tmp_path, monkeypatch):
    monkeypatch.setattr(code_state, "_folder", lambda: tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    found = difference(*(run_of(BASE, tmp_path / letter, code=True) for letter in "ab"))
    assert named(found) == []
    assert "code: no git repository" in found.unknown


def test_data_that_one_run_has_not_recorded_are_unknown(tmp_path):
    other = BASE.with_x("train", put("price", 7, 2.0))
    found = difference(run_of(BASE, tmp_path / "a"), run_of(other, tmp_path / "b", data=False))
    assert named(found) == []
    assert "data: not recorded in the second run" in found.unknown


def shards(folder, value=0):
    rng = np.random.default_rng(0)
    x = {"user": rng.integers(0, 5, 40), "price": rng.random(40), "y": np.arange(40) % 2.0}
    x["price"][3] += value
    with ShardWriter(folder, labels=["y"]) as writer:
        import pyarrow as pa

        writer.write(pa.table(x))
    return lambda: [StreamingLoader(folder, 10), None, None]


def test_a_value_in_files_that_are_streamed(tmp_path):
    plans = [Plan(loaders=shards(tmp_path / f"s{value}", value)) for value in (0, 1)]
    runs = [run_of(plan, tmp_path / str(number)) for number, plan in enumerate(plans)]
    assert named(difference(*runs)) == [data("price", "other values")]
    assert named(difference(runs[0], runs[0])) == []


def log_loaders(split):
    rng = np.random.default_rng(0)
    log = {"user": np.repeat(np.arange(5), 6), "item": rng.integers(1, 9, 30),
           "time": np.arange(30), "y": np.arange(30) % 2}  # fmt: skip
    parts = split(Interactions(log, "user", "item", "time", "y"))
    return [p.samples(3, labels=True, min_history=0).loader(10) for p in parts]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (lambda d: d.random(seed=1), lambda d: d.random(seed=2), "seed"),
        (lambda d: d.random(seed=1), lambda d: d.leave_one_out(), "rule"),
        (lambda d: d.by_time([20, 25]), lambda d: d.by_time([19, 25]), "cutoffs"),
    ],
)
def test_the_split_of_a_log(tmp_path, before, after, expected):
    plans = [Plan(loaders=lambda s=s: log_loaders(s)) for s in (before, after)]
    runs = [run_of(plan, tmp_path / str(number)) for number, plan in enumerate(plans)]
    found = named(difference(*runs))
    assert ("split", expected, "", ALL) in found
    assert {kind for kind, *_ in found} <= {"split", "data"}  # other histories are other data


def test_a_large_table_is_compared_by_a_sample_and_by_sums(tmp_path, monkeypatch):
    from torch_rechub.training.reporting import identity

    monkeypatch.setattr(identity, "SAMPLED_ABOVE", 100)
    one = run_of(BASE, tmp_path / "a")
    same = difference(one, run_of(BASE, tmp_path / "b"))
    assert named(same) == []
    assert any("outside of the sample of 32 of 60 rows" in text for text in same.unknown)
    found = difference(one, run_of(BASE.with_x("train", put("price", 40, 2)), tmp_path / "c"))
    assert named(found) == [data("price", "other values")]
    found = difference(one, run_of(reordered(BASE), tmp_path / "d"))
    assert named(found) == [data("", "order of rows")]
    monkeypatch.undo()
    found = difference(one, run_of(BASE, tmp_path / "e"))
    assert any("hashed, by another sample" in text for text in found.unknown)
    assert named(found) == []


def test_a_value_outside_of_the_samples_of_parts_is_in_the_table_that_was_split(
    tmp_path, monkeypatch
):
    from torch_rechub.training.reporting import identity

    monkeypatch.setattr(identity, "SAMPLED_ABOVE", 150)
    base = SPLIT.with_part("train", table(0, 300))
    one = run_of(base, tmp_path / "a")
    runs = [
        run_of(base.with_x("train", put("price", row, 2.0)), tmp_path / str(row))
        for row in range(0, 300, 60)
    ]
    for run in runs:  # in which part it is, and whether in its sample, is drawn
        changes = named(difference(one, run))
        assert len(changes) == 1
        assert changes[0][1:3] in {("price", "other values"), ("", "the table that was split")}


def test_torch_seed_is_not_changed_by_the_fingerprint(tmp_path):
    states = []
    for number, record in enumerate(({"data": True}, {"data": False})):
        run_of(BASE, tmp_path / str(number), **record)
        states.append(torch.get_rng_state())
    assert torch.equal(*states)
