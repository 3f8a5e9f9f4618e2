"""Trackers' files whose bits flipped: no changed value is shown, and what is lost is reported."""

import math
import re
import struct
import time
import zlib

import pytest
from backends import open_logger, read_run
from expected_trackers import EXPECTED
from readers import only

from torch_rechub.runs import read_runs

FILES = {"wandb": "run-*.wandb", "swanlab": "run-*.swanlab", "tensorboardx": "events.*"}


# MLflow's databases have no checksums
CHECKED = [backend for backend in EXPECTED if backend in FILES]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A short run of each tracker: its file, and what it says."""
    runs = {}
    for backend in CHECKED:
        folder = tmp_path_factory.mktemp(backend)
        with open_logger(backend, folder) as logger:
            logger.log_hyperparams({"lr": 0.1, "layers": 3})
            for step in range(4):
                logger.log_metrics({"train/loss": 1 / (step + 1), "val/auc": step / 7}, step)
        runs[backend] = read_run(backend, folder), only(folder, FILES[backend])
    return runs


@pytest.mark.parametrize("backend", CHECKED)
@pytest.mark.slow
def test_of_a_file_with_a_flipped_bit_nothing_is_shown_that_was_not_recorded(
    backend, recorded, caplog
):
    whole, file = recorded[backend]
    data = file.read_bytes()
    bits = range(0, 8 * len(data), 8 * len(data) // 250 | 1)  # an odd stride: every bit of a byte
    for bit in bits:
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        file.write_bytes(flipped)
        caplog.clear()
        runs = read_runs(file)
        if list(runs) != [whole]:
            assert len(caplog.records) == 1, bit
        for run in runs:
            for name, points in run.metrics.items():
                left = iter(whole.metrics[name])
                assert all(point in left for point in points), bit  # the same, in order
            assert run.hyperparams.items() <= whole.hyperparams.items(), bit
            assert run.status in (whole.status, "unfinished"), bit
            assert run.project in (whole.project, None), bit
    file.write_bytes(data)
    assert read_runs(file) == (whole,)


@pytest.mark.parametrize("backend", CHECKED)
def test_a_flipped_bit_of_a_record_costs_that_record_alone(backend, recorded):
    whole, file = recorded[backend]
    data = file.read_bytes()
    all_lost = []
    for found in re.finditer(b"val/auc", data):  # values are among the records that name it
        flipped = bytearray(data)
        flipped[found.start()] ^= 1
        file.write_bytes(flipped)
        (run,) = read_runs(file)
        assert (run.status, run.hyperparams) == (whole.status, whole.hyperparams)
        lost = set(whole.metrics["val/auc"]) - set(run.metrics["val/auc"])
        assert len(lost) <= 1
        all_lost += lost
    file.write_bytes(data)
    assert sorted(all_lost) == whole.metrics["val/auc"]


LEVELDB = [backend for backend in CHECKED if backend != "tensorboardx"]

if LEVELDB:

    @pytest.mark.parametrize("backend", LEVELDB)
    def test_a_file_of_a_later_format_says_so(backend, recorded, caplog):
        _, file = recorded[backend]
        data = file.read_bytes()
        file.write_bytes(data[:6] + b"\x09" + data[7:])
        assert read_runs(file) == ()
        file.write_bytes(data)
        (message,) = [record.getMessage() for record in caplog.records]
        assert "it has format 9, and the installed reader knows" in message


if "tensorboardx" in EXPECTED:
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.record_writer import masked_crc32c

    def framed(event):
        data = event if isinstance(event, bytes) else event.SerializeToString()
        length = struct.pack("<Q", len(data))
        sums = [struct.pack("<I", masked_crc32c(part)) for part in (length, data)]
        return length + sums[0] + data + sums[1]

    def scalar(value, step, **more):
        event = Event(step=step, wall_time=1.0 + step, **more)
        event.summary.value.add(tag="a", simple_value=value)
        return event

    @pytest.fixture
    def read(tmp_path):
        def read(*events):
            path = tmp_path / "events.out.tfevents.1.host"
            path.write_bytes(b"".join(map(framed, events)))
            (run,) = read_runs(tmp_path)
            return run

        return read

    def test_after_a_damaged_length_of_tensorboard_all_is_left_out_and_what_came_before_is_kept(
        read, tmp_path, caplog
    ):
        events = [scalar(0.5, step) for step in range(9)]
        whole = read(*events)
        (path,) = tmp_path.iterdir()
        start = len(b"".join(map(framed, events[:6])))
        data = bytearray(path.read_bytes())
        data[start] ^= 4
        path.write_bytes(data)
        (run,) = read_runs(path)
        assert run.metrics["a"] == whole.metrics["a"][:6]
        (message,) = [record.getMessage() for record in caplog.records]
        assert f"byte {start} (its length is damaged" in message

    @pytest.mark.parametrize("wall_time", [math.nan, math.inf, -1e300, 1e300, -1.0, 0.0])
    def test_an_event_of_any_time_keeps_its_value(read, wall_time):
        run = read(Event(wall_time=wall_time, step=0), scalar(0.5, 1))
        assert run.metrics == {"a": [(1, 0.5)]}

    def test_a_record_that_is_no_event_is_left_out_and_reported(read, caplog):
        run = read(scalar(0.5, 0), b"\xff" * 20, scalar(0.75, 1))
        assert run.metrics == {"a": [(0, 0.5), (1, 0.75)]}
        assert "1 damaged record is left out" in caplog.text

    def test_hyper_parameters_that_cannot_be_read_cost_themselves(read, caplog):
        odd = Event(step=0, wall_time=1.0)
        value = odd.summary.value.add(tag="_hparams_/session_start_info")
        value.metadata.plugin_data.content = b"\xff\xff"
        run = read(odd, scalar(0.5, 0))
        assert (run.metrics, run.hyperparams) == ({"a": [(0, 0.5)]}, {})
        assert "1 damaged record is left out: byte 0 (DecodeError" in caplog.text

    def test_a_large_picture_costs_no_time_and_a_large_record_with_values_is_verified(
        read, tmp_path, caplog
    ):
        picture = Event(step=0, wall_time=1.0)
        picture.summary.value.add(tag="p").image.encoded_image_string = bytes(8_000_000)
        large = scalar(0.5, 1)
        large.summary.value.add(tag="p").image.encoded_image_string = bytes(100_000)
        path = tmp_path / "events.out.tfevents.1.host"
        data = framed(scalar(0.25, 0)) + struct.pack("<Q", picture.ByteSize())
        data += struct.pack("<I", masked_crc32c(data[-8:])) + picture.SerializeToString() + b"none"
        began = time.perf_counter()
        path.write_bytes(data + framed(large))
        (run,) = read_runs(tmp_path)
        assert run.metrics == {"a": [(0, 0.25), (1, 0.5)]}
        path.write_bytes((data + framed(large))[:-1] + b"?")
        (run,) = read_runs(tmp_path)
        assert run.metrics == {"a": [(0, 0.25)]}
        assert "1 damaged record is left out" in caplog.text
        assert time.perf_counter() - began < 1.5  # the checksum of the picture takes 2 seconds

    def test_one_file_of_a_run_that_cannot_be_read_leaves_the_others(tmp_path, caplog):
        for number, step in ((1, 0), (2, 1)):
            path = tmp_path / f"events.out.tfevents.{number}.host"
            path.write_bytes(framed(scalar(0.5, step)))
        (tmp_path / "events.out.tfevents.3.host").symlink_to(tmp_path / "nowhere")
        (run,) = read_runs(tmp_path)
        assert run.metrics == {"a": [(0, 0.5), (1, 0.5)]}
        assert len(caplog.records) == 1

    @pytest.mark.slow
    def test_a_hundred_thousand_values_are_read_in_seconds(read):
        events = [scalar(0.5, step) for step in range(100_000)]
        began = time.perf_counter()
        assert len(read(*events).metrics["a"]) == 100_000
        assert time.perf_counter() - began < 30  # with the writing; about 3 on a laptop


if "swanlab" in EXPECTED:

    @pytest.mark.parametrize(
        "text",
        [
            "a: [1",
            "a: &a [*a]\n",
            "- 1\n",
            "a: 1\n",
            "a: {value: " + "[" * 500 + "]" * 500 + "}\n",
            "\xff",
            "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
            + "".join(
                f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n"
                for old, new in zip("abcdefghi", "bcdefghij", strict=True)
            )
            + "k: {value: *j}\n",
        ],
        ids=["half", "itself", "list", "no value", "deep", "bytes", "a billion"],
    )
    def test_a_damaged_config_of_swanlab_costs_the_hyper_parameters_alone(text, recorded, caplog):
        whole, file = recorded["swanlab"]
        config = file.parent / "files" / "config.yaml"
        before = config.read_bytes()
        config.write_bytes(text.encode("latin-1"))
        began = time.perf_counter()
        (run,) = read_runs(file)
        seconds = time.perf_counter() - began
        config.write_bytes(before)
        assert (run.metrics, run.status, run.hyperparams) == (whole.metrics, whole.status, {})
        (message,) = [record.getMessage() for record in caplog.records]
        assert "config.yaml cannot be read; its run has no hyper-parameters" in message
        assert seconds < 20


def log_file(path, ident, records):
    """A file in LevelDB's log format, of records that fit into one block."""
    data = ident
    for record in records:
        body = record.SerializeToString()
        crc = zlib.crc32(body, zlib.crc32(b"\x01"))
        data += struct.pack("<IHB", crc, len(body), 1) + body
    path.write_bytes(data)


if "wandb" in EXPECTED:
    ODD_VALUES = ["1" + "0" * 400, "9" * 5000, "[" * 5000, "{", "", "x", "1e400", "NaN", "null",
                  '"high"', "[1]", '{"a": 1}', "true"]  # fmt: skip

    @pytest.mark.parametrize("text", ODD_VALUES, ids=lambda text: text[:9])
    @pytest.mark.parametrize("place", ["val/auc", "_step", "_timestamp", "config"])
    def test_an_odd_value_of_wandb_costs_its_record_at_most(place, text, tmp_path):
        from wandb.proto.wandb_internal_pb2 import Record

        start, *rows, end = [Record() for _ in range(5)]
        start.run.run_id = "id"
        start.run.config.update.add(key="lr", value_json="0.1")
        for step, row in enumerate(rows):
            row.history.item.add(key="_step", value_json=str(step))
            row.history.item.add(key="val/auc", value_json="0.5")
        if place == "config":
            rows[1].Clear()
            rows[1].config.update.add(key="odd", value_json=text)
        else:
            rows[1].history.item.add(key=place, value_json=text)
        end.exit.exit_code = 0
        log_file(tmp_path / "run-id.wandb", b":W&B\xe1\xbe\0", [start, *rows, end])
        (run,) = read_runs(tmp_path)
        assert (run.name, run.status, run.hyperparams["lr"]) == ("id", "finished", 0.1)
        assert {(0, 0.5), (2, 0.5)} <= set(run.metrics["val/auc"])


if "swanlab" in EXPECTED:

    @pytest.mark.parametrize("seconds", [-(2**62), -1, 0, 253_402_300_799, 2**62])
    @pytest.mark.parametrize("state", [0, 1, 99])
    def test_odd_times_and_states_of_swanlab_are_unknown(seconds, state, tmp_path):
        from swanlab.proto.swanlab.record.v1.record_pb2 import Record

        start, value, end = Record(), Record(), Record()
        start.start.name = "n"
        start.start.started_at.seconds = seconds
        value.scalar.key, value.scalar.value.number = "a", 0.5
        end.finish.state = state
        end.finish.finished_at.seconds = seconds
        log_file(tmp_path / "run-id.swanlab", b":SWL\xd6\xe1\2", [start, value, end])
        (run,) = read_runs(tmp_path)
        assert (run.name, run.metrics) == ("n", {"a": [(0, 0.5)]})
        assert (run.started is None, run.ended is None) == (seconds != 0,) * 2
