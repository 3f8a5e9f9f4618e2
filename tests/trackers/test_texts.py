"""The architecture of a model is recorded to its last line, by every tracker that keeps texts."""

from pathlib import Path

import pytest
from backends import BACKENDS, open_logger

TEXT = "\n".join(f"({number}): Linear(in_features={number})" for number in range(2_000))


def kept(backend, folder):
    """The text as the tracker keeps it: each in a file of its own, or in the run's file."""
    names = {"wandb": "*.html", "swanlab": "*.txt", "jsonl": "*.run.jsonl", "mlflow": "*.txt"}
    if backend == "tensorboardx":
        from readers import tensorboard_events

        return "".join(
            value.tensor.string_val[0].decode()
            for event in tensorboard_events(folder)
            for value in event.summary.value
            if value.tag == "model/text_summary"
        )
    return "".join(Path(path).read_text() for path in folder.rglob(names[backend]))


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_long_text_is_kept_whole(backend, tmp_path):
    with open_logger(backend, tmp_path) as logger:
        logger.log_text("model", TEXT, 0)
    text = kept(backend, tmp_path)
    assert all(line in text for line in TEXT.splitlines())
