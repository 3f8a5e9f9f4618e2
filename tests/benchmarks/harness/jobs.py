"""The jobs, the peers of each job, and the metrics read from their answers."""

from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Environment:
    """A virtual environment: its name and what pip installs next to this environment's torch."""

    name: str
    requirements: tuple[str, ...]


@dataclass(frozen=True)
class Peer:
    """One implementation: a script, its own arguments, and where it runs.

    Attributes:
        name: Name in the report.
        script: File in peers/.
        arguments: Of the script, in addition to those that all scripts take.
        environment: None is the environment that the harness runs in.
        options: Arguments of our trainers, as JSON data.
    """

    name: str
    script: str
    arguments: tuple[str, ...] = ()
    environment: Environment | None = None
    options: dict[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Metric:
    """A metric in an answer.

    Attributes:
        key: In the answer.
        title: Name in the report, with the unit.
        digits: Decimals to show.
        compared: Whether the report gives its ratio to ours.
        drawn: Whether the plot shows it.
    """

    key: str
    title: str
    digits: int = 0
    compared: bool = True
    drawn: bool = False


@dataclass(frozen=True)
class Point:
    """One setting of a sweep.

    Attributes:
        title: Name in the report.
        data: Arguments of the workload's script.
        arguments: Arguments of every peer's script.
    """

    title: str
    data: tuple[str, ...]
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Job:
    """A kind of work.

    Attributes:
        name: As on the command line.
        title: Name in the report.
        workload: File in workloads/ that writes the data.
        peers: First the one that the others are compared with.
        metrics: The metrics that the report shows.
        rows, batch, epochs: Defaults of the command line.
    """

    name: str
    title: str
    workload: str
    peers: tuple[Peer, ...]
    metrics: tuple[Metric, ...]
    rows: int
    batch: int
    epochs: int = 1


OLD = Environment("torch-rechub-0.9.0", ("torch-rechub==0.9.0",))
DEEPCTR = Environment("deepctr-torch-0.3.0", ("deepctr-torch==0.3.0", "requests"))
# FuxiCTR uses arguments that polars 2 removed
FUXICTR = Environment("fuxictr-2.3.10", ("fuxictr==2.3.10", "polars<2"))
# RecBole uses names that NumPy 2 removed
RECBOLE = Environment("recbole-1.2.1", ("recbole==1.2.1", "numpy<2", "pandas<3", "scipy<1.14"))
FBGEMM = Environment("fbgemm-gpu-cpu-1.8.0", ("fbgemm-gpu-cpu==1.8.0", "numpy"))

_CORE, _OLD = ("--distribution", "rechub-core"), ("--distribution", "torch-rechub")
_TRAINING = Metric("train_samples_per_s", "training, samples/s", drawn=True)
_MEMORY = Metric("peak_rss_mb", "peak memory, MB", drawn=True)


def _both(script: str) -> tuple[Peer, ...]:
    return (Peer("ours", script, _CORE), Peer("torch-rechub-0.9", script, _OLD, OLD))


def _by_hand(script: str, *variants: str) -> tuple[Peer, ...]:
    return tuple(Peer(f"torch-{v}", script, ("--variant", v)) for v in variants)


def _fbgemm(name: str, optimizer: str) -> Peer:
    return Peer(f"fbgemm-{name}", "fbgemm_ctr.py", ("--optimizer", optimizer), FBGEMM)


JOBS = {
    job.name: job
    for job in (
        Job(
            "ctr",
            "DeepFM on a click log",
            "ctr.py",
            (
                *_both("rechub_ctr.py"),
                Peer("deepctr-torch", "deepctr_ctr.py", environment=DEEPCTR),
                Peer("fuxictr", "fuxictr_ctr.py", environment=FUXICTR),
                Peer("recbole", "recbole_ctr.py", environment=RECBOLE),
                *_by_hand("torch_ctr.py", "dense", "sparse", "paper"),
                _fbgemm("rowwise-adagrad", "exact_row_wise_adagrad"),
                _fbgemm("adagrad", "exact_adagrad"),
                _fbgemm("sgd", "exact_sgd"),
            ),
            (
                _TRAINING,
                Metric("eval_samples_per_s", "evaluation, samples/s", drawn=True),
                Metric("auc", "test AUC", digits=4, compared=False),
                _MEMORY,
            ),
            rows=200_000,
            batch=2048,
        ),
        Job(
            "match",
            "DSSM with in-batch negatives",
            "match.py",
            (*_both("rechub_match.py"), *_by_hand("torch_match.py", "dense", "sparse")),
            (_TRAINING, _MEMORY),
            rows=40_000,
            batch=2048,
        ),
        Job(
            "seq",
            "HSTU, the next item",
            "seq.py",
            _both("rechub_seq.py"),
            (replace(_TRAINING, title="training, sequences/s"), _MEMORY),
            rows=2_000,
            batch=64,
        ),
        Job(
            "data",
            "loaders, sequence builders, samplers",
            "data.py",
            _both("rechub_data.py"),
            (Metric("rows_per_s", "rows/s", drawn=True), _MEMORY),
            rows=1_000_000,
            batch=2048,
        ),
        Job(
            "preprocess",
            "a raw log to encoded rows",
            "criteo.py",
            (
                Peer("ours", "rechub_preprocess.py"),
                Peer("ours-shards", "rechub_preprocess.py", ("--out",)),
                Peer("polars-by-hand", "polars_preprocess.py"),
                Peer("fuxictr", "fuxictr_preprocess.py", environment=FUXICTR),
            ),
            (Metric("rows_per_s", "rows/s", drawn=True), _MEMORY),
            rows=1_000_000,
            batch=2048,
        ),
        Job(
            "tracking",
            "recording a training",
            "ctr.py",
            tuple(
                Peer(name, "rechub_tracking.py", ("--trackers", str(count)))
                for name, count in (("no-tracker", 0), ("1-tracker", 1), ("3-trackers", 3))
            ),
            (
                Metric("fit_s", "training, s", digits=2, drawn=True),
                Metric("record_ms", "a record an epoch, ms", 2, compared=False, drawn=True),
                Metric("step_us", "a record a step, µs", compared=False, drawn=True),
                Metric("open_s", "opening, s", digits=2, compared=False),
                Metric("finish_s", "finishing, s", digits=2, compared=False),
                Metric("import_ms", "import of the module, ms", compared=False),
                Metric("tracking_calls", "calls into the module", compared=False),
            ),
            rows=200_000,
            batch=2048,
            epochs=3,
        ),
    )
}

TASKS = (
    "DataGenerator",
    "generate_seq_feature",
    "generate_seq_feature_match",
    "negative_sample",
    "pad_sequences",
)


def points(job: Job, rows: int, vocab: tuple[int, ...], length: int) -> list[Point]:
    """The settings that a job sweeps: vocabularies, tasks, or just one."""
    data = ("--rows", str(rows))
    if job.name in ("ctr", "tracking"):
        return [Point(f"{v:,} ids", (*data, "--vocab", str(v))) for v in vocab]
    if job.name == "data":
        return [Point(task, data, ("--task", task)) for task in TASKS]
    if job.name == "seq":
        return [Point(f"length {length}", (*data, "--length", str(length)))]
    return [Point(f"{rows:,} rows", data)]
