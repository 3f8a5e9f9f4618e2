"""Reads what the trackers' SDKs left on disk, from the bytes, without the SDKs' own readers.

wandb and swanlab store protobuf records in the framing of LevelDB's log: a header of 7 bytes, then
blocks of 32 KiB holding pieces, each with crc (4 bytes), length (2) and kind (1). TensorBoard
stores protobuf events, each with length (8 bytes) and crc (4) before it and crc (4) behind it. A
piece that is cut off at the end, after a kill, ends the reading.
"""

import json
import struct
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch_rechub.testing import RecordedRun

_BLOCK = 32 * 1024
_HEADER = 7
_FULL, _FIRST, _LAST = 1, 2, 4


def only(directory: Path, pattern: str) -> Path:
    """The one file below `directory` that matches."""
    found = sorted(directory.rglob(pattern))
    assert len(found) == 1, f"{len(found)} files {pattern} below {directory}: {found}"
    return found[0]


def leveldb_records(data: bytes, ident: bytes) -> Iterator[bytes]:
    assert data.startswith(ident), f"the file starts with {data[:4]!r}, not {ident!r}"
    at, record = _HEADER, b""
    while at + _HEADER <= len(data):
        room = _BLOCK - at % _BLOCK
        if room < _HEADER:
            at += room
            continue
        crc, length, kind = struct.unpack_from("<IHB", data, at)
        piece = data[at + _HEADER : at + _HEADER + length]
        if len(piece) < length:
            return
        assert zlib.crc32(piece, zlib.crc32(bytes([kind]))) == crc, "damaged record"
        at += _HEADER + length
        record = piece if kind in (_FULL, _FIRST) else record + piece
        if kind in (_FULL, _LAST):
            yield record


def tfrecords(path: Path) -> Iterator[bytes]:
    data, at = path.read_bytes(), 0
    while at + 12 <= len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        if at + 12 + length + 4 > len(data):
            return
        yield data[at + 12 : at + 12 + length]
        at += 12 + length + 4


def wandb_records(directory: Path, patience: float = 20.0) -> list[Any]:
    """The records of a finished run.

    wandb writes in a process of its own, which writes out the end of the file a moment after
    `finish()` returned; so this waits, for at most `patience` seconds, for the record of the exit.
    """
    from wandb.proto.wandb_internal_pb2 import Record

    path = only(directory, "run-*.wandb")
    deadline = time.monotonic() + patience
    while True:
        data = path.read_bytes()
        records = [Record.FromString(r) for r in leveldb_records(data, b":W&B")] if data else []
        if any(record.HasField("exit") for record in records) or time.monotonic() > deadline:
            return records
        time.sleep(0.01)


def wandb_run(directory: Path) -> RecordedRun:
    run = RecordedRun()
    for record in wandb_records(directory):
        kind = record.WhichOneof("record_type")
        if kind == "history":
            row = {_key(item): json.loads(item.value_json) for item in record.history.item}
            for own in ("_timestamp", "_runtime"):
                row.pop(own)
            # Values whose step wandb had passed already carry it in this column.
            step = row.pop("_step")
            own_step = row.get("step", step)
            for name, value in row.items():
                run.metrics.setdefault(name, []).append((int(own_step), value))
        elif kind in ("config", "run"):
            config = record.config if kind == "config" else record.run.config
            for item in config.update:
                if _key(item) != "_wandb":
                    run.hyperparams[_key(item)] = json.loads(item.value_json)
        elif kind == "exit":
            run.failed = record.exit.exit_code != 0
    return run


def _key(item: Any) -> str:
    return item.key or "/".join(item.nested_key)


def swanlab_records(directory: Path) -> list[Any]:
    from swanlab.proto.swanlab.record.v1.record_pb2 import Record

    path = only(directory, "run-*.swanlab")
    return [Record.FromString(data) for data in leveldb_records(path.read_bytes(), b":SWL")]


def swanlab_run(directory: Path) -> RecordedRun:
    import yaml
    from swanlab.proto.swanlab.run.v1 import run_pb2

    run = RecordedRun()
    for record in swanlab_records(directory):
        if record.HasField("scalar"):
            pairs = run.metrics.setdefault(record.scalar.key, [])
            pairs.append((record.scalar.step, record.scalar.value.number))
        elif record.HasField("finish"):
            run.failed = run_pb2.RunState.Name(record.finish.state) != "RUN_STATE_FINISHED"
    config = only(directory, "files").joinpath("config.yaml")
    if config.exists():
        stored = yaml.safe_load(config.read_text(encoding="utf-8")) or {}
        run.hyperparams = {name: item["value"] for name, item in stored.items()}
    return run


def tensorboard_events(directory: Path) -> list[Any]:
    from tensorboardX.proto.event_pb2 import Event

    return [Event.FromString(data) for data in tfrecords(only(directory, "events.*"))]


def tensorboard_run(directory: Path) -> RecordedRun:
    from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData

    run = RecordedRun()
    for event in tensorboard_events(directory):
        for value in event.summary.value:
            if value.tag == "_hparams_/session_start_info":
                content = HParamsPluginData.FromString(value.metadata.plugin_data.content)
                run.hyperparams = {
                    name: getattr(stored, stored.WhichOneof("kind"))
                    for name, stored in content.session_start_info.hparams.items()
                }
            elif value.tag.startswith("status/"):
                run.failed = value.tensor.string_val[0] != b"success"
            elif value.HasField("simple_value"):
                run.metrics.setdefault(value.tag, []).append((event.step, value.simple_value))
    return run
