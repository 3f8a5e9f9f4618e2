"""The records of SwanLab's files."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from torch_rechub.runs.damage import Damage
from torch_rechub.runs.framing import leveldb_messages

_IDENT, _VERSION = b":SWL\xd6\xe1", 2


def swanlab_records(path: Path, damage: Damage) -> Iterator[tuple[int, Any]]:
    """Iterate over the position and protobuf message of each record of a ``.swanlab`` file."""
    record: Any = import_module("swanlab.proto.swanlab.record.v1.record_pb2").Record
    return leveldb_messages(path, _IDENT, _VERSION, damage, record.FromString)


def seconds(stamp: Any) -> float:
    """Return a time stamp in seconds since 1970."""
    return float(stamp.seconds + stamp.nanos / 1e9)
