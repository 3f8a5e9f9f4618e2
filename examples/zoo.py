"""Train any model by name on MovieLens-100K, over several seeds, and update the table of results.

The tasks: `ctr`, which ratings are 4 or 5 stars; `retrieval`, the next movie of a user by the inner
product of embeddings; `multi-task`, two labels at once; `next-item`, the next movie of a sequence.
Baselines are measured as well. Each run is recorded as a file of JSON lines.

    python examples/zoo.py --list
    python examples/zoo.py --task ctr --models FM DeepFM --seeds 0 1 2
    python examples/zoo.py --task all --jobs 8   # every model, eight runs at a time
    python examples/zoo.py --write-docs          # the pages of the docs, from the table
"""

import argparse
import tempfile
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path

import torch
from demo import open_trackers
from zoo_tasks import ctr, multi_task, next_item, results, retrieval
from zoo_tasks.runs import Run

from torch_rechub.basic.tracking import JSONLLogger

TASKS = {"ctr": ctr, "retrieval": retrieval, "multi-task": multi_task, "next-item": next_item}
ORDER = {name: list(task.MODELS) for name, task in TASKS.items()}
DOCS = Path(__file__).parents[1] / "docs"
CSV = DOCS / "results" / "movielens-100k.csv"


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", choices=[*TASKS, "all"], default="all")
    parser.add_argument("--models", nargs="+", metavar="NAME", help="default: all of the task")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, help="for a short run; default: the model's setting")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time, a thread each")
    parser.add_argument("--device", default="cpu", help="where models are trained, such as cuda:0")
    parser.add_argument("--logger", choices=["jsonl", "all", "none"], default="jsonl")
    parser.add_argument("--log-dir", type=Path, default=Path("runs/zoo"))
    parser.add_argument("--out", type=Path, default=CSV, help="the table, a CSV file")
    parser.add_argument("--list", action="store_true", help="the names of tasks and models")
    parser.add_argument("--write-docs", action="store_true", help="put the table into the pages")
    args = parser.parse_args()
    args.tasks = list(TASKS) if args.task == "all" else [args.task]
    known = {model for task in args.tasks for model in ORDER[task]}
    unknown = sorted(set(args.models or ()) - known)
    if unknown:
        parser.error(f"{args.task} has no model {unknown[0]!r}; it has {', '.join(sorted(known))}")
    for name in ("epochs", "jobs"):
        value = getattr(args, name)
        if value is not None and value < 1:
            parser.error(f"--{name} must be at least 1, got {value}")
    return args


def trackers(args, name, settings):
    """Return the loggers of a run."""
    if args.logger == "none":
        return []
    if args.logger == "all":
        args.log_dir.mkdir(parents=True, exist_ok=True)
        return open_trackers(args.log_dir, name, settings, project="rechub-zoo")[0]
    return [JSONLLogger("rechub-zoo", name, settings, dir=args.log_dir)]


def measure(task, model, seed, args):
    """Measure one run of a model, and record it."""
    settings = {"task": task, "model": model, "seed": seed}
    with ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
        opened = trackers(args, f"{task}-{model}-seed{seed}", settings)
        for tracker in opened:
            stack.enter_context(tracker)
        run = Run(seed, Path(folder), args.epochs, args.device, opened)
        outcome = TASKS[task].measure(model, run)
        for tracker in opened:
            tracker.log_metrics({f"test/{name}": v for name, v in outcome.metrics.items()})
    return outcome


def measure_all(runs, args):
    """Yield task, model, seed and outcome of each run, in the order of completion."""
    context = get_context("spawn")
    with ProcessPoolExecutor(args.jobs, context, torch.set_num_threads, (1,)) as pool:
        started = {pool.submit(measure, *run, args): run for run in runs}
        for ended in as_completed(started):
            yield started[ended], ended.result()


def write_table(args):
    """Measure the baselines, then the given models; the table is written after each model."""
    baselines = [(task, model) for task in args.tasks for model in TASKS[task].BASELINES]
    models = [(t, m) for t in args.tasks for m in ORDER[t] if not args.models or m in args.models]
    models = [model for model in models if model not in baselines]
    found = {}
    for part in (baselines, models):
        runs = [(*model, seed) for model in part for seed in args.seeds]
        for (task, model, seed), outcome in measure_all(runs, args):
            of_seeds = found.setdefault((task, model), {})
            of_seeds[seed] = outcome
            if len(of_seeds) == len(args.seeds):
                add_to_table(task, model, found, args)
    for task in args.tasks:
        rows = [row for row in results.read(args.out) if (row.task, row.model) in found]
        print(results.markdown([row for row in rows if row.task == task]))


def add_to_table(task, model, found, args):
    """Add the rows of a model once it and its baselines are measured with all seeds."""

    def outcomes(name):
        return [found[task, name][seed] for seed in args.seeds]

    compared = {} if model in TASKS[task].BASELINES else TASKS[task].COMPARED
    against = {metric: (baseline, outcomes(baseline)) for metric, baseline in compared.items()}
    rows = results.rows_of(task, model, args.seeds, outcomes(model), against)
    results.merge(args.out, rows, ORDER)
    print(task, model, *(f"{row.metric} {results.figure(row)}" for row in rows), flush=True)


def write_docs(path):
    """Write the table into the pages of both languages."""
    for language in ("en", "zh"):
        page = DOCS / language / "zoo.md"
        text = results.with_tables(page.read_text(encoding="utf-8"), results.read(path), language)
        page.write_text(text, encoding="utf-8")


def main():
    """List models, train, or write pages."""
    args = arguments()
    if args.list:
        for task in args.tasks:
            print(f"{task}: {', '.join(ORDER[task])}")
    elif args.write_docs:
        write_docs(args.out)
    else:
        write_table(args)


if __name__ == "__main__":
    main()
