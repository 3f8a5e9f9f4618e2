"""The examples next to the demo print their results, after fewer epochs where marked slow."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def results(script: str, *arguments: str, epochs: int | None = 1) -> list[float]:
    """The numbers with four decimals that an example prints; None trains it in full."""
    shortened = [] if epochs is None else ["--epochs", str(epochs)]
    done = subprocess.run(
        [sys.executable, EXAMPLES / script, *arguments, *shortened],
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr
    return numbers_of(done.stdout)


def numbers_of(text: str) -> list[float]:
    """The numbers with four decimals of a text."""
    return [float(number) for number in re.findall(r"0\.\d{4}", text)]


@pytest.mark.slow
def test_two_tasks_are_learned_better_than_from_the_movies_mean_labels():
    first, first_baseline, second, second_baseline = results("multi_task.py")
    assert first > first_baseline - 0.05 > 0.6
    assert second > second_baseline - 0.05 > 0.6


@pytest.mark.slow
def test_the_next_item_prints_its_metrics_next_to_those_of_popularity():
    ndcg, hit, popular_ndcg, popular_hit = results("next_item.py")
    assert 0 < ndcg < hit < 1
    assert 0.02 < popular_ndcg < popular_hit < 0.1


@pytest.mark.slow
def test_retrieval_prints_its_metrics_above_those_of_popularity():
    metrics = results("matching.py", "dssm", epochs=6)
    masked, popular_masked, unmasked, popular_unmasked = zip(metrics[::2], metrics[1::2])
    for found, popular in ((masked, popular_masked), (unmasked, popular_unmasked)):
        assert all(f > p > 0 for f, p in zip(found, popular)), (found, popular)


@pytest.fixture
def printed(monkeypatch, capsys):
    """A function that runs an example in this process, and returns its numbers as `results`."""

    def run(script, *arguments):
        monkeypatch.setattr(sys, "argv", [script, *map(str, arguments)])
        runpy.run_path(str(EXAMPLES / script), run_name="__main__")
        return numbers_of(capsys.readouterr().out)

    return run


@pytest.mark.slow
def test_a_click_log_in_a_raw_file_is_learned(printed):
    auc, _ = printed("criteo.py", "--epochs", 1)[-2:]
    assert 0.65 < auc < 0.9  # the probabilities that the labels are drawn from have 0.88


@pytest.mark.slow
def test_a_raw_file_of_a_users_own_is_read_with_its_unknown_and_missing_values(printed, tmp_path):
    rows = (
        # a tenth of the labels is not that of the category; the last category is always unknown
        [(i % 2) ^ (i % 10 == 3), i, *[""] * 12, f"{i % 2:08x}", *[""] * 24, f"{i:08x}"]
        for i in range(600)
    )
    lines = ["\t".join(map(str, row)) for row in rows]
    (tmp_path / "train.txt").write_text("\n".join(lines) + "\n")
    auc, _ = printed("criteo.py", tmp_path / "train.txt", "--epochs", 20)[-2:]
    assert auc > 0.8


@pytest.mark.slow
@pytest.mark.parametrize(("model", "epochs"), [("dssm", 6), ("sasrec", 6), ("hstu", 8)])
def test_orders_in_a_raw_file_lead_to_better_recommendations_than_popularity(
    printed, model, epochs
):
    ndcg, hit, popular_ndcg, popular_hit = printed("retail.py", model, "--epochs", epochs)[-4:]
    assert ndcg > 2 * popular_ndcg > 0
    assert hit > 2 * popular_hit > 0


@pytest.mark.slow
def test_each_day_of_continued_training_is_better_on_that_day_and_linked_to_the_last(
    monkeypatch, capsys
):
    monkeypatch.setattr(sys, "argv", ["daily.py", "--rows", "4000", "--epochs", "3"])
    runpy.run_path(str(EXAMPLES / "daily.py"), run_name="__main__")
    printed = capsys.readouterr().out
    old, new = (
        [float(value) for value in re.search(rf"^{name} auc +(.*)$", printed, re.M)[1].split()]
        for name in ("old", "new")
    )
    assert len(old) == 4
    assert all(n > o + 0.01 for o, n in zip(old, new)), (old, new)
    runs = [line.split() for line in printed.splitlines() if line.startswith("day ")][1:]
    ids = [run[2] for run in runs]
    assert len(set(ids)) == 5
    assert [run[3] for run in runs[1:]] == ids[:-1]


@pytest.mark.slow
def test_a_search_prints_its_trials_and_goes_on_where_it_was(tmp_path, monkeypatch, capsys):
    printed = []
    for trials in (6, 8):
        short = ["--trials", trials, "--epochs", 2, "--rows", 4000, "--out", tmp_path]
        monkeypatch.setattr(sys, "argv", ["search.py", *map(str, short)])
        runpy.run_path(str(EXAMPLES / "search.py"), run_name="__main__")
        printed.append(capsys.readouterr().out)
    rows = [re.findall(r"^ +(\d+) +(?:finished|pruned).*", text, re.M) for text in printed]
    assert rows == [list("012345"), list("01234567")]
    assert printed[1].splitlines()[:7] == printed[0].splitlines()[:7]
    assert 0.6 < numbers_of(printed[1].partition("Best")[2])[0] < 0.9


@pytest.mark.results
@pytest.mark.parametrize(
    ("model", "published"),
    [
        ("dssm", None),
        ("facebook_dssm", None),
        ("youtube_dnn", None),
        ("gru4rec", (0.051, 0.110)),
        ("sasrec", (0.050, 0.110)),
    ],
)
def test_each_model_of_retrieval_beats_popularity_by_a_fifth(model, published):
    metrics = results("matching.py", model, epochs=None)
    masked, popular_masked, unmasked, popular_unmasked = zip(metrics[::2], metrics[1::2])
    for found, popular in ((masked, popular_masked), (unmasked, popular_unmasked)):
        assert all(f > 1.2 * p > 0 for f, p in zip(found, popular)), (found, popular)
    if published:  # unmasked, less a standard error of 943 users
        floors = [p - error for p, error in zip(published, (0.006, 0.010))]
        assert all(f > floor for f, floor in zip(unmasked, floors)), unmasked


@pytest.mark.results
@pytest.mark.parametrize("model", ["bpr_mf", "light_gcn", "neumf"])
def test_each_model_of_numbers_beats_popularity_where_movies_seen_are_masked(model):
    ndcg, hit, popular_ndcg, popular_hit, *_ = results("matching.py", model, epochs=None)
    assert ndcg > 1.1 * popular_ndcg > 0
    assert hit > 1.1 * popular_hit > 0
