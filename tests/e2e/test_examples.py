"""The examples beside the demo run to their printed result, here after one epoch."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def results(*command: str) -> list[float]:
    """The numbers with four decimals that an example prints."""
    done = subprocess.run(
        [sys.executable, EXAMPLES / command[0], *command[1:], "--epochs", "1"],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return [float(number) for number in re.findall(r"0\.\d{4}", done.stdout)]


@pytest.mark.slow
def test_two_tasks_are_learned_better_than_from_the_films_mean_labels():
    first, first_baseline, second, second_baseline = results("multi_task.py")
    assert first > first_baseline - 0.05 > 0.6
    assert second > second_baseline - 0.05 > 0.6


@pytest.mark.slow
@pytest.mark.parametrize("command", [("matching.py", "sasrec"), ("next_item.py",)])
def test_retrieval_prints_its_metrics_beside_those_of_popularity(command):
    ndcg, hit, popular_ndcg, popular_hit = results(*command)
    assert 0 < ndcg < hit < 1
    assert 0.02 < popular_ndcg < popular_hit < 0.1
