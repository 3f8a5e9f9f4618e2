"""The table of results: a CSV file with one row per metric, and its Markdown for the pages."""

import csv
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from .runs import Outcome


@dataclass(frozen=True)
class Row:
    """A metric of a model over seeds; missing values are empty strings."""

    task: str
    model: str
    metric: str
    mean: str
    sd: str
    seeds: str
    seconds: str
    parameters: str


def rows_of(
    task: str,
    model: str,
    seeds: Sequence[int],
    outcomes: Sequence[Outcome],
    compared: Mapping[str, tuple[str, Sequence[Outcome]]],
) -> list[Row]:
    """Return a row for each metric of a model, and its difference to baselines.

    Args:
        task: Name of the task.
        model: Name of the model.
        seeds: Seeds of the outcomes.
        outcomes: Metrics of each seed.
        compared: Metric to the baseline's name and its outcomes, for the same seeds.
    """
    values = {name: [o.metrics[name] for o in outcomes] for name in outcomes[0].metrics}
    for metric, (baseline, theirs) in compared.items():
        pairs = zip(outcomes, theirs, strict=True)
        values[f"{metric} − {baseline}"] = [a.metrics[metric] - b.metrics[metric] for a, b in pairs]
    seconds = [o.seconds for o in outcomes if o.seconds is not None]
    about = {
        "seeds": " ".join(map(str, seeds)),
        "seconds": f"{statistics.mean(seconds):.1f}" if seconds else "",
        "parameters": str(outcomes[0].parameters or ""),
    }
    return [
        Row(task, model, name, f"{statistics.mean(found):.6f}", _spread(found), **about)
        for name, found in values.items()
    ]


def _spread(values):
    return f"{statistics.stdev(values):.6f}" if len(values) > 1 else ""


def read(path: Path) -> list[Row]:
    """Read the rows of a file; empty if there is no file."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [Row(**row) for row in csv.DictReader(file)]


def merge(path: Path, new: Iterable[Row], order: Mapping[str, Sequence[str]]) -> None:
    """Write rows to a file, replacing those of the same task and model.

    Args:
        path: The file, created with its folder if needed.
        new: The rows.
        order: The order of tasks and models in the file.
    """
    new = list(new)
    replaced = {(row.task, row.model) for row in new}
    rows = [row for row in read(path) if (row.task, row.model) not in replaced] + new
    place = [(task, model) for task, models in order.items() for model in models]
    rows.sort(key=lambda row: place.index((row.task, row.model)))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [f.name for f in fields(Row)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(map(asdict, rows))


WORDS = {
    "en": {},
    "zh": {
        "movie's mean label": "影片平均标签",
        "popularity": "流行度",
        "variance lost": "损失的方差",
        "collision rate": "碰撞率",
        "model": "模型",
        "seeds": "种子数",
        "seconds": "秒",
        "parameters": "参数量",
    },
}


def markdown(rows: Sequence[Row], language: str = "en") -> str:
    """Return the table of a task: a row per model, a column per metric."""
    words = WORDS[language]
    metrics = list(dict.fromkeys(row.metric for row in rows))
    heads = [*metrics, "seeds", "seconds", "parameters"]
    lines = [[_translated(head, words) for head in ["model", *heads]]]
    lines.append(["---", *["---:"] * len(heads)])
    for model in dict.fromkeys(row.model for row in rows):
        found = {row.metric: row for row in rows if row.model == model}
        about = next(iter(found.values()))
        cells = [figure(found[metric]) if metric in found else "–" for metric in metrics]
        seconds = f"{float(about.seconds):.0f}" if about.seconds else "–"
        parameters = f"{int(about.parameters):,}" if about.parameters else "–"
        n_seeds = str(len(about.seeds.split()))
        lines.append([_translated(model, words), *cells, n_seeds, seconds, parameters])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _translated(text, words):
    for word, translation in words.items():
        text = text.replace(word, translation)
    return text


def figure(row: Row) -> str:
    """Format mean ± standard deviation, the latter only if results differ between seeds."""
    sign = "+" if "−" in row.metric else ""
    mean = f"{float(row.mean):{sign}.4f}".replace("-", "−")
    varies = row.sd and float(row.sd) > 0
    return f"{mean} ± {float(row.sd):.4f}" if varies else mean


def with_tables(page: str, rows: Sequence[Row], language: str) -> str:
    """Insert the table of each task between its markers in a page.

    The markers are lines, `<!-- results of TASK -->` and `<!-- end of results -->`.
    """

    def table(match):
        of_task = [row for row in rows if row.task == match[2]]
        return f"{match[1]}\n{markdown(of_task, language)}\n{match[3]}"

    marked = r"(<!-- results of (\S+) -->)\n(?:.*\n)*?(<!-- end of results -->)"
    return re.sub(marked, table, page)
