"""Opening a run of MLflow: a new one, or one that an earlier logger recorded."""

import errno
import logging
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from torch_rechub.basic.tracking.claim import Claim
from torch_rechub.basic.tracking.copied import record_time
from torch_rechub.basic.tracking.foreign import undisturbed
from torch_rechub.basic.tracking.labels import PARENT, TAGS
from torch_rechub.basic.tracking.plugin import in_utf8, shortened

from .names import legal_name, original_names
from .params import params_of
from .process import quiet
from .resumed import Mark, is_superseded, marks_of
from .stores import ARTIFACTS, Store, open_store
from .values import ERROR, ID, NAMES, RESUMED, VERSION, text_of_tags

log = logging.getLogger("torch_rechub.tracking")

_NO_ID = re.compile(r"[^\w.-]", re.ASCII)
_LONGEST_PROJECT, _LONGEST_NOTES = 500, 8_000


@dataclass
class OpenRun:
    """A run that is written.

    Attributes:
        store: Its store.
        experiment: The id of its experiment.
        run_id: Its id in MLflow.
        about: Its ``id``, its ``name``, and its tags in MLflow.
        tags: The tags that an earlier logger recorded.
        params: Path to text of the parameters that an earlier logger recorded.
        earlier: Metric to its last step of an earlier logger.
        marks: Where the run was continued.
        last_time: The time of its last record, in milliseconds since 1970.
    """

    store: Store
    experiment: str
    run_id: str
    about: dict[str, Any]
    tags: dict[str, str] = field(default_factory=dict)
    params: dict[tuple[str, ...], str] = field(default_factory=dict)
    earlier: dict[str, int] = field(default_factory=dict)
    marks: list[Mark] = field(default_factory=list)
    last_time: int = 0
    claim: Claim | None = None

    def tag(self, key: str) -> str | None:
        """The text of a tag, which may have several parts."""
        return text_of_tags(key, self.tags)

    def go_on(self) -> None:
        """Mark the run of an earlier logger as active again."""
        with quiet():
            self.store.client.update_run(self.run_id, status="RUNNING")
            for key in [key for key in self.tags if key.partition("/")[0].startswith(ERROR)]:
                self.store.client.delete_tag(self.run_id, key)

    def another(self, metric: str) -> "OpenRun":
        """Return a new run, because this one has the steps of a metric already."""
        self.release()
        wanted = self.about["id"]
        with quiet():
            for number in count(2):
                about = {**self.about, "id": f"{wanted}-{number}"}
                if _find(self.store.client, self.experiment, about["id"]) is None:
                    break
            run = _new(self.store, self.experiment, about)
        log.warning(
            "MLflowLogger: the run %r holds %r at this step: this run is recorded in %r. To go on "
            "with that one, pass resume=True to fit.",
            wanted,
            metric,
            about["id"],
        )
        return run

    def supersede(self, mark: Mark) -> None:
        """Forget the records at the step of a mark and later."""
        self.marks.append(mark)
        last = {name: mark.steps.get(name, mark.step) - 1 for name in self.earlier}
        self.earlier = {name: min(step, last[name]) for name, step in self.earlier.items()}

    def release(self) -> None:
        """Let other loggers write the run."""
        if self.claim is not None:
            self.claim.release()


def open_run(
    about: Mapping[str, Any],
    labels: Mapping[str, Any],
    folder: str | os.PathLike[str] | None,
    tracking_uri: str | None,
    resume: str | None,
) -> OpenRun:
    """Open a run; see `MLflowLogger` for the arguments and errors.

    Args:
        about: ``project``, ``name``, ``notes`` and ``id``, without secrets.
        labels: The labels of the run.
        folder: The folder of a local database, or None.
        tracking_uri: MLflow's address of the store, or None.
        resume: Whether to continue the run of the id.
    """
    _check(about["project"], about["id"], resume)
    project = shortened(in_utf8(about["project"]), _LONGEST_PROJECT)
    with open_store(folder, tracking_uri) as store:
        experiment = store.experiment(project)
        tags = _tags(about["notes"], labels, _find_parent(store.client, experiment, labels))
        given = {"id": about["id"], "name": in_utf8(about["name"]), "tags": tags}
        found = about["id"] and _find(store.client, experiment, about["id"])
        if not found:
            if resume == "must":
                raise FileNotFoundError(
                    errno.ENOENT, "MLflowLogger: there is no run to continue", about["id"]
                )
            return _new(store, experiment, given)
        if resume not in ("allow", "must"):
            message = "MLflowLogger: there is a run of this id: resume='allow' continues it"
            raise FileExistsError(errno.EEXIST, message, about["id"])
        return _continued(store, experiment, given, found)


def remove_run(
    project: str, id: str, folder: str | os.PathLike[str] | None, tracking_uri: str | None
) -> None:
    """Delete the run of an id; see `MLflowLogger.remove`."""
    _check(project, id, None)
    with open_store(folder, tracking_uri) as store:
        found = _find(store.client, store.experiment(project), id)
        if found is None:
            return
        store.client.delete_run(found)
        if store.database is not None:
            shutil.rmtree(store.database.parent / ARTIFACTS / found, ignore_errors=True)


def _check(project: Any, id: Any, resume: Any) -> None:
    if not isinstance(project, str) or not project.strip():
        raise ValueError(f"MLflowLogger: project must be a name, got {project!r}")
    if resume not in (None, "allow", "must", "never"):
        raise ValueError(f"MLflowLogger: resume must be allow, must, never or None, got {resume!r}")
    if id is None and resume in ("allow", "must"):
        raise ValueError(f"MLflowLogger: resume={resume!r} needs the id of the run to continue")
    if id is not None and (not isinstance(id, str) or _NO_ID.search(id) or not id.strip(".")):
        raise ValueError(f"MLflowLogger: id may have letters, digits and _ . - only, got {id!r}")


def _tags(notes: str | None, labels: Mapping[str, Any], parent: str | None) -> dict[str, str]:
    words = [legal_name(in_utf8(word)) for word in labels.get(TAGS, ())]
    of_others = ("mlflow.", "rechub.", "hyperparams")
    tags = {f"_{word}" if word.startswith(of_others) else word: "true" for word in words}
    if notes is not None:
        tags["mlflow.note.content"] = shortened(in_utf8(notes), _LONGEST_NOTES)
    if parent is not None:
        tags["mlflow.parentRunId"] = parent
    return tags


def _find(client: Any, experiment: str, id: str) -> str | None:
    """The run of an id, which has neither quotes nor spaces."""
    found = client.search_runs([experiment], f"tags.`{ID}` = '{id}'", max_results=1)
    return str(found[0].info.run_id) if found else None


def _find_parent(client: Any, experiment: str, labels: Mapping[str, Any]) -> str | None:
    """The parent's id in MLflow, if it is known by its id of the training run, or another one."""
    parent = labels.get(PARENT, "")
    if not parent or _NO_ID.search(parent):
        return None
    for query in (
        f"attributes.run_id = '{parent}'",
        f"params.run_id = '{parent}'",
        f"tags.`{ID}` = '{parent}'",
    ):
        found = client.search_runs([experiment], query, max_results=1)
        if found:
            return str(found[0].info.run_id)
    return None


def _new(store: Store, experiment: str, about: dict[str, Any]) -> OpenRun:
    tags = {VERSION: "1", **({ID: about["id"]} if about["id"] else {}), **about["tags"]}
    create = undisturbed(store.client.create_run)  # MLflow draws a name
    started = round(record_time() * 1000)
    info = create(experiment, started, tags, about["name"] or None).info
    run = OpenRun(store, experiment, info.run_id, about, last_time=info.start_time)
    run.claim = _claim(run) if about["id"] else None
    return run


def _continued(store: Store, experiment: str, about: dict[str, Any], run_id: str) -> OpenRun:
    run = OpenRun(store, experiment, run_id, about)
    run.claim = _claim(run)
    data = store.client.get_run(run_id).data
    run.tags = dict(data.tags)
    run.params = params_of(data.params, run.tags, original_names(run.tag(NAMES)))
    run.marks = marks_of(run.tag(RESUMED))
    names = original_names(run.tag(NAMES)).get("metric", {})
    times = [mark.time for mark in run.marks]
    for key in data.metrics:
        name = names.get(key, key)
        history = store.client.get_metric_history(run_id, key)
        times += [point.timestamp for point in history]
        steps = [
            point.step
            for point in history
            if not is_superseded(run.marks, name, point.step, point.timestamp)
        ]
        if steps:
            run.earlier[name] = max(steps)
    run.last_time = max(times, default=0)
    return run


def _claim(run: OpenRun) -> Claim | None:
    """Lock the run of a local database, by its folder of artifacts.

    Raises:
        BlockingIOError: Another logger is writing the run.
    """
    if run.store.database is None:
        return None
    folder = run.store.database.parent / ARTIFACTS / run.run_id
    folder.mkdir(parents=True, exist_ok=True)
    claim = Claim(str(folder))
    if not claim.held:
        raise BlockingIOError(
            errno.EWOULDBLOCK,
            "MLflowLogger: another logger is writing this run: finish it, or give another id",
            run.about["id"],
        )
    return claim
