import os

import pytest
from processes import run_in_a_process
from readers import only, tensorboard_events, tensorboard_run

from rechub_tensorboardx import TensorBoardXLogger
from torch_rechub.testing import LoggerContract


class TestContract(LoggerContract):
    keeps_labels = keeps_tables = keeps_files = True

    def make_logger(self, directory, **kwargs):
        return TensorBoardXLogger(directory, **kwargs)

    def read_run(self, directory):
        return tensorboard_run(directory)


def tags(directory):
    return [value.tag for event in tensorboard_events(directory) for value in event.summary.value]


def texts(directory, tag):
    return [
        value.tensor.string_val[0].decode()
        for event in tensorboard_events(directory)
        for value in event.summary.value
        if value.tag == f"{tag}/text_summary"
    ]


# The directory


@pytest.mark.parametrize(
    ("log_dir", "comment", "final"),
    [("exp", "", "exp"), ("exp", "_a", "exp_a"), ("exp/", "_a", "exp_a"), ("é é", "~", "é é~")],
)
def test_the_comment_ends_the_name_of_the_directory(tmp_path, log_dir, comment, final):
    logger = TensorBoardXLogger(f"{tmp_path}/{log_dir}", comment)
    logger.finish()
    assert logger.log_dir == logger.writer.logdir == f"{tmp_path}/{final}"
    assert [path.name for path in tmp_path.iterdir()] == [final]
    assert only(tmp_path / final, "events.*")


def test_a_home_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    TensorBoardXLogger("~/runs").finish()
    assert only(tmp_path / "runs", "events.*")


@pytest.mark.parametrize("log_dir", ["s3://bucket/run", "gs://bucket/run", "hdfs://host/run", ""])
def test_what_is_no_local_directory_is_refused(log_dir):
    with pytest.raises(ValueError, match="director"):
        TensorBoardXLogger(log_dir)


def test_a_file_in_place_of_the_directory_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match=r"must be a directory, but .*file' is a file"):
        TensorBoardXLogger(tmp_path / "file")


def test_a_directory_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="TensorBoardXLogger cannot write to the directory"):
        TensorBoardXLogger(tmp_path / "file" / "below")


def test_a_mistyped_argument_is_met_with_the_right_one(tmp_path):
    with pytest.raises(TypeError, match=r"'flush_sec'; did you mean 'flush_secs'\?"):
        TensorBoardXLogger(tmp_path, flush_sec=1)
    with pytest.raises(TypeError, match=r"'groups'; did you mean 'group'\?"):
        TensorBoardXLogger(tmp_path, groups=1)


def test_two_runs_of_one_second_in_one_directory_keep_a_file_each(tmp_path):
    for value in (1.0, 2.0):
        with TensorBoardXLogger(tmp_path) as logger:
            logger.log_metrics({"a": value}, step=0)
    assert len(list(tmp_path.iterdir())) == 2


# Hyper-parameters


def test_hyperparams_are_in_the_file_of_the_metrics_with_their_types(tmp_path):
    with TensorBoardXLogger(tmp_path) as logger:
        logger.log_hyperparams(
            {
                "lr": 0.1,
                "n": 3,
                "big": 2**60,
                "amp": False,
                "name": "DeepFM",
                "mlp": {"dims": [64, 32], "dropout": {"p": 0.5}},
                "none": None,
            }
        )
        logger.log_metrics({"val/auc": 0.5}, step=0)
    assert [path.name for path in tmp_path.iterdir()] == [only(tmp_path, "events.*").name]
    assert tensorboard_run(tmp_path).hyperparams == {
        "lr": 0.1,
        "n": 3.0,
        "big": str(2**60),
        "amp": False,
        "name": "DeepFM",
        "mlp/dims": "[64, 32]",
        "mlp/dropout/p": 0.5,
        "none": None,
    }


def test_hyperparams_of_several_calls_are_one_entry(tmp_path):
    # TensorBoard reads the first entry of a run and no other.
    with TensorBoardXLogger(tmp_path) as logger:
        logger.log_hyperparams({"learning_rate": 1, "seed": 7})
        logger.log_hyperparams({"learning_rate": 2})
        logger.log_metrics({"val/auc": 0.5}, step=0)
    assert tags(tmp_path).count("_hparams_/session_start_info") == 1
    assert tensorboard_run(tmp_path).hyperparams == {"learning_rate": 2.0, "seed": 7.0}


def test_a_value_that_becomes_a_dict_or_back_is_replaced_whole(tmp_path):
    with TensorBoardXLogger(tmp_path) as logger:
        logger.log_hyperparams({"mlp": 64, "act": {"name": "relu"}, "file": "caf\udce9"})
        logger.log_hyperparams({"mlp": {"dims": 32}, "act": "relu"})
    expected = {"mlp/dims": 32.0, "act": "relu", "file": "caf\\udce9"}
    assert tensorboard_run(tmp_path).hyperparams == expected


def test_a_metric_by_a_name_of_tensorboards_own_is_no_hyperparam(tmp_path):
    with TensorBoardXLogger(tmp_path) as logger:
        logger.log_hyperparams({"lr": 1})
        logger.log_metrics({"_hparams_/session_start_info": 0.5}, step=0)
    run = tensorboard_run(tmp_path)
    assert run.hyperparams == {"lr": 1.0}
    assert run.metrics == {"__hparams_/session_start_info": [(0, 0.5)]}


def test_hyperparams_logged_after_metrics_are_not_lost(tmp_path):
    with TensorBoardXLogger(tmp_path) as logger:
        logger.log_hyperparams({"lr": 1})
        logger.log_metrics({"val/auc": 0.5}, step=0)
        logger.log_hyperparams({"best_epoch": 0})
    assert tensorboard_run(tmp_path).hyperparams == {"lr": 1.0, "best_epoch": 0.0}
    assert "best_epoch = 0" in texts(tmp_path, "hyperparameters")[-1]


@pytest.mark.parametrize("metrics", [{}, {"val/auc": 0.5}], ids=["no epoch", "an epoch"])
def test_the_end_of_the_session_is_recorded(tmp_path, metrics):
    from tensorboardX.proto.api_pb2 import Status
    from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData

    for name, error in (("good", None), ("bad", ValueError("nan"))):
        logger = TensorBoardXLogger(tmp_path / name)
        logger.log_hyperparams({"lr": 1})
        logger.log_metrics(metrics, step=0)
        if error:
            logger.log_failure(error)
        logger.finish()
    for name, expected in (("good", "STATUS_SUCCESS"), ("bad", "STATUS_FAILURE")):
        (content,) = [
            value.metadata.plugin_data.content
            for event in tensorboard_events(tmp_path / name)
            for value in event.summary.value
            if value.tag == "_hparams_/session_end_info"
        ]
        end = HParamsPluginData.FromString(content).session_end_info
        assert Status.Name(end.status) == expected


# How a run ends


def test_the_end_is_recorded_in_words(tmp_path):
    for name, error in {
        "good": None,
        "crash": ValueError("the loss is nan"),
        "stop": KeyboardInterrupt(),
    }.items():
        logger = TensorBoardXLogger(tmp_path / name)
        if error is not None:
            logger.log_failure(error)
        logger.finish()
    assert texts(tmp_path / "good", "status") == ["success"]
    assert texts(tmp_path / "crash", "status") == ["crashed: ValueError: the loss is nan"]
    assert texts(tmp_path / "stop", "status") == ["aborted: KeyboardInterrupt"]


def test_a_process_that_dies_loses_nothing_that_was_logged(tmp_path):
    done = run_in_a_process(
        "import os, sys; from rechub_tensorboardx import TensorBoardXLogger\n"
        "logger = TensorBoardXLogger(sys.argv[1]); logger.log_hyperparams({'lr': 1})\n"
        "for epoch in range(50): logger.log_metrics({'a': epoch, 'b': -epoch}, epoch)\n"
        "os.kill(os.getpid(), 9)",
        tmp_path,
    )
    assert done.returncode == -9
    run = tensorboard_run(tmp_path)
    assert run.metrics["a"] == [(epoch, epoch) for epoch in range(50)]
    assert run.metrics["b"][-1] == (49, -49)
    assert run.hyperparams == {"lr": 1.0}
    assert run.failed is None


@pytest.mark.skipif(os.name == "nt", reason="has no limit of a file's size")
def test_a_full_disk_stops_neither_training_nor_the_process(tmp_path):
    done = run_in_a_process(
        "import resource, signal, sys; from rechub_tensorboardx import TensorBoardXLogger\n"
        "from torch_rechub.basic.tracking import LoggerGroup\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "with LoggerGroup(TensorBoardXLogger(sys.argv[1])) as group:\n"
        "    for epoch in range(300): group.log_metrics({'a': epoch}, epoch)\n"
        "print('trained')",
        tmp_path,
    )
    assert done.stdout == "trained\n"
    assert "TensorBoardXLogger failed in log_metrics" in done.stderr


def test_a_writer_that_writes_nothing_is_no_error(tmp_path):
    with TensorBoardXLogger(tmp_path, write_to_disk=False) as logger:
        logger.log_hyperparams({"lr": 1})
        logger.log_metrics({"a": 1.0}, step=0)
    assert list(tmp_path.iterdir()) == []
