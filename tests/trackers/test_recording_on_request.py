"""Records that trainers make on request, read back from the files of each tracker."""

import json

import pytest
from backends import TOGETHER, open_logger, read_run
from expected_trackers import EXPECTED
from readers import only
from tiny_clicks import model_and_loaders

from torch_rechub.basic.tracking import LoggerGroup
from torch_rechub.runs import details
from torch_rechub.trainers import CTRTrainer, Examples, Recording

EPOCHS, STEPS = 2, 3


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A training run with everything recorded in every backend."""
    folder = tmp_path_factory.mktemp("everything")
    model, train, val = model_and_loaders()
    folders = {name: folder / name for name in TOGETHER}
    loggers = [open_logger(name, path) for name, path in folders.items()]
    everything = Recording(
        every_n_steps=1,
        best=True,
        figures=bool(EXPECTED),
        embeddings=True,
        architecture=True,
        checkpoint=True,
        system=True,
        examples=Examples(min_rows=1),
    )
    trainer = CTRTrainer(
        model,
        n_epoch=EPOCHS,
        model_path=folder / "models",
        model_logger=LoggerGroup(loggers, on_error="raise"),
        record=everything,
    )
    trainer.fit(train, val)
    return trainer, folders


@pytest.mark.parametrize("backend", TOGETHER)
def test_every_backend_gives_the_same_metrics_back(recorded, backend):
    trainer, folders = recorded
    expected = read_run("jsonl", folders["jsonl"]).metrics
    found = read_run(backend, folders[backend])
    assert found.status == "finished"
    assert found.metrics.keys() == expected.keys()
    tolerance = 1e-7 if backend == "tensorboardx" else 0  # which keeps 32 bits
    for name, points in expected.items():
        steps, values = zip(*found.metrics[name], strict=True)
        assert list(steps) == [step for step, _ in points], name
        assert values == pytest.approx([value for _, value in points], rel=tolerance, abs=0), name
    assert [step for step, _ in expected["train/loss_step"]] == list(range(1, EPOCHS * STEPS + 1))
    losses = [(row["epoch"], row["train/loss"]) for row in trainer.history]
    assert expected["train/loss"] == losses
    best = max(row["val/auc"] for row in trainer.history)
    assert expected["best/val/auc"][-1][1] == best
    assert {"system/rows_per_second", "system/cpu_percent", "system/memory_mb"} <= expected.keys()


def test_the_table_of_slices_is_read_back(recorded):
    _trainer, folders = recorded
    (table,) = details(read_run("jsonl", folders["jsonl"])).tables
    assert (table.name, table.step) == ("examples/slices", EPOCHS - 1)
    labels = {column: {v for c, v, *_ in table.rows if c == column} for column in ("user", "item")}
    assert labels["item"] <= set(map(str, range(7)))
    assert all(label.startswith("user-") for label in labels["user"])
    assert sum(map(len, labels.values())) == len(table.rows) == 10


def test_json_lines_keep_the_text_and_the_histograms(recorded):
    trainer, folders = recorded
    lines = only(folders["jsonl"], "*.run.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    (text,) = [row for row in rows if row["event"] == "text"]
    assert text["text"] == str(trainer.model)
    histograms = [row for row in rows if row["event"] == "histogram"]
    assert len(histograms) == EPOCHS * len({row["name"] for row in histograms})
    assert all(sum(row["counts"]) in (7, 9) for row in histograms)


if "tensorboardx" in EXPECTED:

    @pytest.fixture(scope="module")
    def tensorboard(recorded):
        """The run as TensorBoard's own library reads it."""
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        found = EventAccumulator(
            str(recorded[1]["tensorboardx"] / "n"), {"histograms": 0, "images": 0}
        )
        return found.Reload()

    def test_tensorboard_has_the_figures_as_pictures(tensorboard):
        assert sorted(tensorboard.Tags()["images"]) == [
            "val/calibration",
            "val/confusion",
            "val/roc",
        ]
        (image,) = tensorboard.Images("val/roc")
        assert image.encoded_image_string.startswith(b"\x89PNG")
        assert min(image.width, image.height) > 300

    def test_tensorboard_has_the_histograms(recorded, tensorboard):
        _trainer, folders = recorded
        lines = only(folders["jsonl"], "*.run.jsonl").read_text(encoding="utf-8").splitlines()
        rows = [row for row in map(json.loads, lines) if row["event"] == "histogram"]
        for row in rows:
            found = tensorboard.Histograms(row["name"])[row["step"]].histogram_value
            assert found.num == sum(row["counts"])
            assert [n for n in found.bucket if n] == [n for n in row["counts"] if n]
            assert found.max == pytest.approx(row["edges"][-1])

    def test_tensorboard_has_the_architecture_and_final_metrics_next_to_the_hparams(
        recorded, tensorboard
    ):
        from tensorboard.plugins.hparams import plugin_data_pb2

        trainer, _ = recorded
        tags = tensorboard.Tags()["tensors"]
        assert "model/text_summary" in tags
        (event,) = tensorboard.Tensors("model/text_summary")
        text = event.tensor_proto.string_val[0].decode()
        assert [line[4:] for line in text.splitlines()] == str(trainer.model).splitlines()
        content = tensorboard.summary_metadata["_hparams_/experiment"].plugin_data.content
        experiment = plugin_data_pb2.HParamsPluginData.FromString(content).experiment
        shown = {info.name.tag for info in experiment.metric_infos}
        assert {"val/auc", "best/val/auc", "train/loss"} <= shown


if "wandb" in EXPECTED:

    @pytest.fixture(scope="module")
    def wandb_records(recorded):
        import readers

        return readers.wandb_records(recorded[1]["wandb"])

    def test_wandb_has_two_axes(wandb_records):
        metrics = [r.metric for r in wandb_records if r.HasField("metric")]
        axes = {m.name or m.glob_name: m.step_metric for m in metrics}
        assert axes == {
            "global_step": "",
            "step": "",
            "train/loss_step": "global_step",
            "*": "step",
        }

    def test_wandb_has_the_last_best_value_in_its_summary(recorded, wandb_records):
        trainer, _ = recorded
        values = {}
        for record in wandb_records:
            if record.HasField("history"):
                values |= {"/".join(i.nested_key): i.value_json for i in record.history.item}
        best = max(row["val/auc"] for row in trainer.history)
        assert json.loads(values["best/val/auc"]) == best

    def test_wandb_has_pictures_histograms_text_and_the_best_weights(recorded, wandb_records):
        _trainer, folders = recorded
        kinds = {}
        for record in wandb_records:
            for item in record.history.item if record.HasField("history") else ():
                if item.nested_key[1:] == ["_type"]:
                    kinds[item.nested_key[0]] = json.loads(item.value_json)
        assert {name for name, kind in kinds.items() if kind == "image-file"} == {
            "val/roc", "val/calibration", "val/confusion"
        }  # fmt: skip
        assert kinds["model"] == "html-file"
        assert kinds["examples/slices"] == "table-file"
        assert "histogram" in kinds.values()
        pages = [p.read_text(encoding="utf-8") for p in folders["wandb"].rglob("*.html")]
        assert [page for page in pages if "<pre>DeepFM(" in page]
        artifacts = [
            r.request.log_artifact.artifact if r.HasField("request") else r.artifact
            for r in wandb_records
            if r.HasField("artifact")
        ]
        (artifact,) = [artifact for artifact in artifacts if artifact.type == "model"]
        assert artifact.name == "DeepFM"
        assert "best" in artifact.aliases
        assert [entry.path for entry in artifact.manifest.contents] == ["model.pth"]


if "swanlab" in EXPECTED:

    def test_swanlab_has_pictures_and_the_text(recorded):
        from readers import swanlab_records

        records = [r.media for r in swanlab_records(recorded[1]["swanlab"]) if r.HasField("media")]
        assert {media.key for media in records} == {
            "val/roc", "val/calibration", "val/confusion", "model", "examples/slices"
        }  # fmt: skip
        files = [p for p in recorded[1]["swanlab"].rglob("*") if p.suffix == ".png"]
        assert len(files) == 3
