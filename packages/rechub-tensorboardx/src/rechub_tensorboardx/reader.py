"""Reads TensorBoard event files, whichever library wrote them."""

import logging
import os
import re
import struct
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from importlib import import_module
from pathlib import Path
from typing import Any

from torch_rechub.runs import Run

log = logging.getLogger("torch_rechub.runs")

_STATUS = {"success": "finished", "crashed": "failed", "aborted": "interrupted"}
_START, _END, _TEXT = "_hparams_/session_start_info", "_hparams_/session_end_info", "status/"


class TensorBoardRunReader:
    """The event files of one folder are one run, as in TensorBoard; the folder's name is its name.

    A file that resumes a run at a step takes the place of what was recorded from there on. How a
    run ended is known if `TensorBoardXLogger` wrote it, or an entry of the HParams tab.
    """

    patterns = ("events.out.tfevents.*",)
    whole_folders = True

    def read(self, files: Sequence[Path]) -> Iterator[Run]:
        """The run of `files`."""
        state = _State()
        for path in sorted(files, key=_time_and_serial):
            for event in tensorboard_events(path):
                state.add(event)
        folder = files[0].parent.resolve()
        yield Run(folder.name, "tensorboardx", str(files[0].parent), **state.fields())


def _time_and_serial(path: Path) -> list[int]:
    """The numbers in a file's name: when it was begun, and a serial number for files at once."""
    return [int(number) for number in re.findall(r"\d+", path.name)]


def tensorboard_events(path: Path) -> Iterator[Any]:
    """The protobuf events of a file, as ``tensorboardX.proto`` describes them."""
    event: Any = import_module("tensorboardX.proto.event_pb2").Event
    decode_error = import_module("google.protobuf.message").DecodeError
    try:
        for data in _frames(path):
            yield event.FromString(data)
    except decode_error:
        log.warning("%s is damaged; what follows the damage is left out.", path)


def _frames(path: Path) -> Iterator[bytes]:
    """Each event lies between its length (8 bytes) with a checksum (4), and a checksum (4)."""
    with path.open("rb") as file:
        left = os.fstat(file.fileno()).st_size
        while len(header := file.read(12)) == 12:
            (length,) = struct.unpack_from("<Q", header)
            left -= 12 + length + 4
            if left < 0:
                return  # cut off
            yield file.read(length)
            file.read(4)


class _State:
    """What the events so far say."""

    def __init__(self) -> None:
        self.params: dict[str, Any] = {}
        self.metrics: dict[str, list[tuple[int, float]]] = {}
        self.times: list[float] = []
        self.status = "unfinished"
        self.error: str | None = None

    def add(self, event: Any) -> None:
        self.times = [*self.times[:1], event.wall_time]
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
        """Forget what was recorded from `step` on."""
        self.status, self.error = "unfinished", None
        for name, pairs in self.metrics.items():
            self.metrics[name] = [pair for pair in pairs if pair[0] < step]

    def fields(self) -> dict[str, Any]:
        times = [datetime.fromtimestamp(time, timezone.utc) for time in self.times]
        return {
            "status": self.status,
            "error": self.error,
            "started": times[0] if times else None,
            "ended": times[-1] if self.status != "unfinished" else None,
            "hyperparams": self.params,
            "metrics": self.metrics,
        }


def _hparams(value: Any) -> Any:
    data: Any = import_module("tensorboardX.proto.plugin_hparams_pb2").HParamsPluginData
    return data.FromString(value.metadata.plugin_data.content)


def _plain(stored: Any) -> Any:
    kind = stored.WhichOneof("kind")
    value = None if kind is None else getattr(stored, kind)
    return None if value == "null" else value  # as TensorBoardXLogger keeps None


def _scalar(value: Any) -> float | None:
    if value.HasField("simple_value"):
        return float(value.simple_value)
    # TensorFlow 2 and PyTorch's newer style keep scalars as tensors of one float.
    tensor = value.tensor
    if not value.HasField("tensor") or tensor.tensor_shape.dim or tensor.dtype != 1:
        return None
    if tensor.float_val:
        return float(tensor.float_val[0])
    content = tensor.tensor_content
    return float(struct.unpack("<f", content)[0]) if len(content) == 4 else None
