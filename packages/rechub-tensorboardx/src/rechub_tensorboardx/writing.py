"""Extensions of tensorboardX: immediate writes, restarts, failed sessions."""

import json
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from torch_rechub.basic.tracking.copied import PNG, given_time
from torch_rechub.basic.tracking.names import distinct

_EXACT_IN_A_DOUBLE = 2**53


def write_through(writer: Any) -> None:
    """Make the writer write events to its file at once.

    By default it passes them to a thread: `flush()` does not wait for that thread, so a crash can
    lose records, and after the thread died, as on a full disk, the next call blocks forever.
    """
    events: Any = getattr(writer.file_writer, "event_writer", None)
    file: Any = getattr(events, "_ev_writer", None)
    if file is None:
        return

    def write(event: Any) -> None:
        given = given_time()
        if given is not None:  # a copy of a run keeps the times of its records
            event.wall_time = given
        file.write_event(event)

    events.add_event = write


def image(tag: str, png: PNG) -> Any:
    """The summary of a figure that was drawn before."""
    summary: Any = import_module("tensorboardX.proto.summary_pb2").Summary
    width, height = png.size
    drawn = summary.Image(width=width, height=height, colorspace=4, encoded_image_string=png.data)
    return summary(value=[summary.Value(tag=tag, image=drawn)])


def restart(writer: Any, step: int) -> None:
    """Write the event that supersedes records from `step` on.

    tensorboardX would pass it to its thread, which may write it after the first metrics, and
    readers would drop those, too.
    """
    event: Any = import_module("tensorboardX.proto.event_pb2")
    started = event.SessionLog(status=event.SessionLog.START)
    writer.file_writer.add_event(event.Event(file_version="brain.Event:2"), step=step)
    writer.file_writer.add_event(event.Event(session_log=started), step=step)


def session_end(failed: bool) -> Any:
    """The event that ends a session of the HParams tab; tensorboardX only supports success."""
    api, hparams, summary = (
        import_module(f"tensorboardX.proto.{name}_pb2")
        for name in ("api", "plugin_hparams", "summary")
    )
    status = api.Status.Value("STATUS_FAILURE" if failed else "STATUS_SUCCESS")
    end = hparams.HParamsPluginData(session_end_info=hparams.SessionEndInfo(status=status))
    plugin = summary.SummaryMetadata.PluginData(
        plugin_name="hparams", content=end.SerializeToString()
    )
    metadata = summary.SummaryMetadata(plugin_data=plugin)
    tag = "_hparams_/session_end_info"
    return summary.Summary(value=[summary.Summary.Value(tag=tag, metadata=metadata)])


def close_writer(writer: Any) -> None:
    """Close the file, and wait for the thread of the queue, which holds its pipes open."""
    queue: Any = getattr(getattr(writer.file_writer, "event_writer", None), "_event_queue", None)
    writer.close()
    if hasattr(queue, "join_thread"):
        queue.join_thread()


def flat_hparams(params: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten hyper-parameters for the HParams tab, which supports bools, floats and strings."""
    return distinct(_leaves(params))


def _leaves(params: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in params.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{name}/")
        else:
            yield f"{prefix}{name}", _hparam(value)


def _hparam(value: Any) -> bool | float | str:
    if isinstance(value, bool | float | str):
        return value
    if isinstance(value, int):
        return value if abs(value) <= _EXACT_IN_A_DOUBLE else str(value)
    return json.dumps(value, ensure_ascii=False)
