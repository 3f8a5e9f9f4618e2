"""The examples next to the demo print their results, after fewer epochs where marked slow."""

import re
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
    return [float(number) for number in re.findall(r"0\.\d{4}", done.stdout)]


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
