"""The data that TensorBoard's own server shows for a recorded training run."""

import json
import socket
import subprocess
import sys
import time
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest
from expected_trackers import EXPECTED
from tiny_clicks import model_and_loaders

from torch_rechub.trainers import CTRTrainer, Recording

SECONDS_TO_START = 60


def train(folder, lr):
    from rechub_tensorboardx import TensorBoardXLogger

    model, train, val = model_and_loaders()
    trainer = CTRTrainer(
        model,
        optimizer_params={"lr": lr},
        n_epoch=3,
        model_path=folder / "models",
        model_logger=TensorBoardXLogger(folder / "runs" / str(lr)),
        record=Recording(best=True, figures=True, embeddings=True, every_n_steps=1),
    )
    trainer.fit(train, val)
    return trainer.history


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The histories of two runs, and what asks the server that shows them."""
    folder = tmp_path_factory.mktemp("server")
    histories = {str(lr): train(folder, lr) for lr in (0.001, 0.1)}
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder / "runs")]
    process = subprocess.Popen(
        [*command, "--port", str(port), "--load_fast=false"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def ask(path, body=None, **query):
        url = f"http://localhost:{port}/data/{path}?{urlencode(query)}"
        data = None if body is None else json.dumps(body).encode()
        json_type = {"Content-Type": "application/json"}
        with urlopen(Request(url, data, json_type), timeout=10) as answer:
            return json.load(answer)

    try:
        wait_for(lambda: len(ask("runs")) == len(histories))
        yield histories, ask
    finally:
        process.kill()
        process.wait()


def wait_for(condition):
    deadline = time.monotonic() + SECONDS_TO_START
    while True:
        try:
            if condition():
                return
        except URLError:
            pass
        assert time.monotonic() < deadline, "the server did not start"
        time.sleep(0.2)


if "tensorboardx" in EXPECTED:
    pytestmark = pytest.mark.slow

    def test_it_draws_each_metric_of_each_run(server):
        histories, ask = server
        for run, history in histories.items():
            points = ask("plugin/scalars/scalars", run=run, tag="val/auc")
            assert [step for _, step, _ in points] == [0, 1, 2]
            expected = [row["val/auc"] for row in history]
            assert [value for *_, value in points] == pytest.approx(expected, rel=1e-6)
            steps = ask("plugin/scalars/scalars", run=run, tag="train/loss_step")
            assert [step for _, step, _ in steps] == list(range(1, 10))

    def test_the_hparams_tab_has_the_settings_and_the_final_metrics(server):
        histories, ask = server
        asked = {
            "experimentName": "",
            "allowedStatuses": ["STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"],
            "colParams": [],
            "startIndex": 0,
            "sliceSize": 10,
        }
        groups = ask("plugin/hparams/session_groups", asked)["sessionGroups"]
        found = {
            group["hparams"]["learning_rate"]: {
                value["name"]["tag"]: value["value"] for value in group["metricValues"]
            }
            for group in groups
        }
        assert found.keys() == {0.001, 0.1}
        for lr, metrics in found.items():
            history = histories[str(lr)]
            best = max(row["val/auc"] for row in history)
            assert metrics["best/val/auc"] == pytest.approx(best, rel=1e-6)
            assert metrics["train/loss"] == pytest.approx(history[-1]["train/loss"], rel=1e-6)

    def test_it_shows_the_figures_and_the_histograms(server):
        histories, ask = server
        for run in histories:
            for tag in ("val/roc", "val/calibration", "val/confusion"):
                (image,) = ask("plugin/images/images", run=run, tag=tag, sample=0)
                assert image["step"] == 2
            tags = ask("plugin/histograms/tags")[run]
            assert [tag for tag in tags if tag.endswith("user/norms")]
