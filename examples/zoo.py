"""Train any model by name on MovieLens-100K, over several seeds, and keep the table of results.

The tasks: `ctr`, which ratings are 4 or 5 stars; `retrieval`, the next film of a user by the inner
product of embeddings; `multi-task`, two labels at once; `next-item`, the next film of a sequence.
Baselines are measured beside. Each run is recorded as a file of JSON lines.

    python examples/zoo.py --list
    python examples/zoo.py --task ctr --models FM DeepFM --seeds 0 1 2
    python examples/zoo.py --task all            # every model; hours on one core
    python examples/zoo.py --write-docs          # the pages of the docs, from the table
"""

import argparse
import tempfile
import time
from contextlib import ExitStack
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
    if args.epochs is not None and args.epochs < 1:
        parser.error(f"--epochs must be at least 1, got {args.epochs}")
    return args


def trackers(args, name, settings):
    """What a run is recorded with."""
    if args.logger == "none":
        return []
    if args.logger == "all":
        args.log_dir.mkdir(parents=True, exist_ok=True)
        return open_trackers(args.log_dir, name, settings, project="rechub-zoo")[0]
    return [JSONLLogger("rechub-zoo", name, settings, dir=args.log_dir)]


def measure(task, model, seed, args):
    """One run of one model, recorded."""
    settings = {"task": task, "model": model, "seed": seed}
    with ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
        opened = trackers(args, f"{task}-{model}-seed{seed}", settings)
        for tracker in opened:
            stack.enter_context(tracker)
        outcome = TASKS[task].measure(model, Run(seed, Path(folder), args.epochs, opened))
        for tracker in opened:
            tracker.log_metrics({f"test/{name}": v for name, v in outcome.metrics.items()})
    return outcome


def run_task(name, args):
    """Measure the baselines and the models wanted of a task; the table grows with each."""
    task = TASKS[name]
    wanted = [m for m in ORDER[name] if not args.models or m in args.models or m in task.BASELINES]
    found = {}
    for model in sorted(wanted, key=lambda model: model not in task.BASELINES):
        started = time.perf_counter()
        found[model] = [measure(name, model, seed, args) for seed in args.seeds]
        compared = {
            metric: (baseline, found[baseline])
            for metric, baseline in task.COMPARED.items()
            if model not in task.BASELINES
        }
        rows = results.rows_of(name, model, args.seeds, found[model], compared)
        results.merge(args.out, rows, ORDER)
        figures = ", ".join(f"{row.metric} {results.figure(row)}" for row in rows)
        print(f"{name} {model}: {figures} ({time.perf_counter() - started:.0f} s)", flush=True)
    rows = [row for row in results.read(args.out) if row.task == name and row.model in wanted]
    print(results.markdown(rows))


def write_docs(path):
    """Put the table into the pages of both languages."""
    for language in ("en", "zh"):
        page = DOCS / language / "zoo.md"
        text = results.with_tables(page.read_text(encoding="utf-8"), results.read(path), language)
        page.write_text(text, encoding="utf-8")


def main():
    """List, train or write, as asked."""
    args = arguments()
    if args.list:
        for task in args.tasks:
            print(f"{task}: {', '.join(ORDER[task])}")
    elif args.write_docs:
        write_docs(args.out)
    else:
        torch.set_num_threads(1)
        for task in args.tasks:
            run_task(task, args)


if __name__ == "__main__":
    main()
