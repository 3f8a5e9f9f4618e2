"""The events of TensorBoard's files, and the state of a run after them."""

import os
import re
import struct
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

from torch_rechub.runs.checks import moment
from torch_rechub.runs.damage import Damage

_LARGE = 64 * 1024
_STATUS = {"success": "finished", "crashed": "failed", "aborted": "interrupted"}
_START, _END, _TEXT = "_hparams_/session_start_info", "_hparams_/session_end_info", "status/"


def in_order(files: Iterable[Path]) -> list[Path]:
    """Return event files by the time of their start, and a serial number."""
    return sorted(files, key=_numbers)


def _numbers(path: Path) -> list[int]:
    """The numbers in a file name: the start time, and a serial number."""
    return [int(number) for number in re.findall(r"\d+", path.name)]


def add_file(state: "State", path: Path) -> None:
    """Apply the events of a file to the state of its run."""
    with Damage(path, "record", "byte") as damage:
        damage.apply(state.add, tensorboard_events(path, damage))


def tensorboard_events(path: Path, damage: Damage) -> Iterator[tuple[int, Any]]:
    """Iterate over the position and protobuf event of each record (``tensorboardX.proto``)."""
    event: Any = import_module("tensorboardX.proto.event_pb2").Event
    decode_error = import_module("google.protobuf.message").DecodeError
    checksum = _masked_crc32c()
    for at, data, stored in _frames(path, checksum, damage):
        try:
            found = event.FromString(data)
        except decode_error as error:
            damage.add(at, str(error))
            continue
        # a checksum takes a second per 4 MB in Python; only images and graphs are that large
        if (len(data) <= _LARGE or _is_read(found)) and checksum(data) != stored:
            damage.add(at, "its checksum is another")
            continue
        yield at, found


def _frames(
    path: Path, checksum: Callable[[bytes], int], damage: Damage
) -> Iterator[tuple[int, bytes, int]]:
    """Iterate over position, bytes and checksum of each record.

    A record is preceded by its length (8 bytes) and the checksum of the length (4), and followed by
    its checksum (4). After a damaged length the next record cannot be found.
    """
    checksum_of_length = lru_cache(1_000)(checksum)
    at = 0
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        while len(header := file.read(12)) == 12:
            length, stored = struct.unpack("<QI", header)
            if checksum_of_length(header[:8]) != stored:
                damage.add(at, "its length is damaged, so all that follows it is lost")
                return
            end = at + 12 + length + 4
            if end > size:
                return  # truncated
            data = file.read(length)
            (stored,) = struct.unpack("<I", file.read(4))
            yield at, data, stored
            at = end


def _masked_crc32c() -> Callable[[bytes], int]:
    """The masked CRC of TFRecord files."""
    crc32c: Any = import_module("tensorboardX.crc32c").crc32c

    def masked(data: bytes) -> int:
        crc: int = crc32c(data)
        return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF

    return masked


class State:
    """The state of the run after the events so far."""

    def __init__(self) -> None:
        self.params: dict[str, Any] = {}
        self.metrics: dict[str, list[tuple[int, float]]] = {}
        self.times: list[float] = []
        self.status = "unfinished"
        self.error: str | None = None

    def add(self, event: Any) -> None:
        """Apply an event."""
        if event.wall_time > 0 and moment(event.wall_time) is not None:
            # the first event of a copied run has the time of the copy
            self.times = [min([event.wall_time, *self.times[:1]]), event.wall_time]
        if event.session_log.status == event.session_log.START:
            self.resume(event.step)
        for value in event.summary.value:
            if value.tag == _START:
                info = _hparams(value).session_start_info.hparams
                self.params = {n: _plain(stored) for n, stored in info.items()}
            elif value.tag == _END:
                succeeded = _hparams(value).session_end_info.status == 1
                self.status = "finished" if succeeded else "failed"
            elif value.tag.startswith(_TEXT) and value.tensor.string_val:
                state, _, error = (
                    value.tensor.string_val[0].decode("utf-8", "replace").partition(": ")
                )
                self.status, self.error = _STATUS.get(state, self.status), error or None
            elif (number := _scalar(value)) is not None:
                self.metrics.setdefault(value.tag, []).append((event.step, number))

    def resume(self, step: int) -> None:
        """Drop the records from `step` on."""
        self.status, self.error = "unfinished", None
        for name, pairs in self.metrics.items():
            self.metrics[name] = [pair for pair in pairs if pair[0] < step]

    def fields(self) -> dict[str, Any]:
        """Return the fields of the run."""
        times = [moment(time) for time in self.times]
        return {
            "status": self.status,
            "error": self.error,
            "started": times[0] if times else None,
            "ended": times[-1] if self.status != "unfinished" else None,
            "hyperparams": self.params,
            "metrics": self.metrics,
        }


def _is_read(event: Any) -> bool:
    """Whether `State` uses an event."""
    return event.session_log.status == event.session_log.START or any(
        value.tag in (_START, _END) or value.tag.startswith(_TEXT) or _scalar(value) is not None
        for value in event.summary.value
    )


def _hparams(value: Any) -> Any:
    data: Any = import_module("tensorboardX.proto.plugin_hparams_pb2").HParamsPluginData
    return data.FromString(value.metadata.plugin_data.content)


def _plain(stored: Any) -> Any:
    kind = stored.WhichOneof("kind")
    value = None if kind is None else getattr(stored, kind)
    if kind in ("struct_value", "list_value"):
        value = import_module("google.protobuf.json_format").MessageToDict(value)
    # TensorBoardXLogger stores None as text; protobuf has a number for it
    return None if value == "null" or kind == "null_value" else value


def _scalar(value: Any) -> float | None:
    if value.HasField("simple_value"):
        return float(value.simple_value)
    # TensorFlow 2 and the new style of PyTorch store scalars as tensors of one float
    tensor = value.tensor
    if not value.HasField("tensor") or tensor.tensor_shape.dim or tensor.dtype != 1:
        return None
    if tensor.float_val:
        return float(tensor.float_val[0])
    content = tensor.tensor_content
    return float(struct.unpack("<f", content)[0]) if len(content) == 4 else None
