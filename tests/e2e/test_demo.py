"""The demo: what a newcomer sees first."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

DEMO = Path(__file__).parents[2] / "examples" / "demo.py"


def demo(*arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, DEMO, "--epochs", "1", *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_trains_on_real_data_and_says_how_to_look_at_the_run(tmp_path):
    output = demo("--out", "runs")
    assert output.startswith("Data: 100,000 rows of MovieLens-100K")
    assert "Test AUC 0.7" in output
    assert "Logistic regression: AUC 0.7" in output
    assert (tmp_path / "runs/tensorboard").is_dir()
    assert list((tmp_path / "runs/wandb").glob("offline-run-*/run-*.wandb"))
    assert list((tmp_path / "runs/swanlog").glob("run-*/run-*.swanlab"))
    assert list((tmp_path / "runs/jsonl").glob("deepfm-seed0-*.run.jsonl"))
    for command in ("rechub compare", "tensorboard --logdir", "wandb sync", "swanlab sync"):
        assert command in output
    (model,) = (tmp_path / "runs/models").glob("*/model.pth")
    assert str(model.relative_to(tmp_path)) in output


@pytest.mark.slow
@pytest.mark.parametrize("nowhere", ["http://127.0.0.1:9"])
def test_without_a_network_its_first_line_says_so_and_it_trains_on_the_synthetic_log(
    tmp_path, nowhere
):
    output = demo(
        TORCH_RECHUB_HOME=str(tmp_path / "empty"),
        PIP_CONFIG_FILE=os.devnull,
        PIP_INDEX_URL=nowhere,
        PIP_RETRIES="0",
        HTTPS_PROXY=nowhere,
        https_proxy=nowhere,
    )
    first_line = output.splitlines()[0]
    assert "MovieLens-100K cannot be reached" in first_line
    assert "synthetic click log" in first_line
    assert "best possible AUC" in output
    assert "Test AUC 0." in output
    assert "Logistic regression: AUC 0." in output
