"""Writes docs/en/models.md and docs/zh/models.md, the model cards: `hatch run cards`.

The contents of a card come from the docstring of its model. The other texts of the pages are in
en.json and zh.json; zh.json also has a Chinese summary of each model, under "models". A model
without one has the English summary on both pages. Results come from
docs/results/movielens-100k.csv.
"""

import csv
import json
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from model_cards import Card, read_cards

DOCS = Path(__file__).parents[1]
RESULTS = DOCS / "results" / "movielens-100k.csv"
COLUMNS = ("task", "model", "metric", "mean", "sd", "seeds", "seconds", "parameters")

Rows = Sequence[Mapping[str, str]]


def pages(results: Path = RESULTS, leave_out: Collection[str] = ()) -> dict[Path, str]:
    """Return the contents of the pages by path, without the models to leave out."""
    words = {language: read_words(language) for language in ("en", "zh")}
    rooms, measured = read_cards(words["zh"]["models"]), read_results(results)
    rooms = {room: [c for c in found if c.name not in leave_out] for room, found in rooms.items()}
    return {
        DOCS / language / "models.md": page(language, words[language], rooms, measured)
        for language in words
    }


def read_words(language: str) -> dict[str, Any]:
    """Read the texts of the cards in a language."""
    file = Path(__file__).with_name(f"{language}.json")
    words: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return words


def read_results(path: Path) -> dict[str, dict[str, list[dict[str, str]]]]:
    """Read the rows of a results file by model and task; empty if there is no file yet.

    Raises:
        ValueError: The file has other columns.
    """
    found: dict[str, dict[str, list[dict[str, str]]]] = {}
    if not path.exists():
        return found
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        if set(rows.fieldnames or ()) != set(COLUMNS):
            raise ValueError(f"{path} must have the columns {COLUMNS}, got {rows.fieldnames}")
        for row in rows:
            found.setdefault(row["model"], {}).setdefault(row["task"], []).append(row)
    return found


def page(
    language: str,
    words: Mapping[str, Any],
    rooms: Mapping[str, Sequence[Card]],
    results: Mapping[str, Mapping[str, Rows]],
) -> str:
    """Return the page of all cards in a language."""
    parts = ["\n".join(words["opening"])]
    for room, cards in rooms.items():
        links = words["separator"].join(f"[`{c.name}`](#{anchor(c.name)})" for c in cards)
        parts.append(f"**{words['rooms'][room]['heading']}**{words['colon']}{links}")
    for room, cards in rooms.items():
        parts += [f"## {words['rooms'][room]['heading']}", words["rooms"][room]["what"]]
        parts += [written(card, language, words, results.get(card.name, {})) for card in cards]
    return "\n\n".join(parts) + "\n"


def written(
    card: Card, language: str, words: Mapping[str, Any], results: Mapping[str, Rows]
) -> str:
    """Return a card. Docstrings are in English, so a Chinese card links to the English one."""
    facts = {
        words["paper"]: linked(card.paper),
        words["trainer"]: f"`{card.trainer}`" + (words["in_batch"] if card.in_batch else ""),
        words["complexity"]: markdown(card.complexity),
        **{
            words["result"].format(words["tasks"][task]): measured(rows, words)
            for task, rows in results.items()
        },
        words["made"]: f"`{card.signature}`",
    }
    parts = [f"### `{card.name}`", markdown(card.summary[language])]
    parts.append(f"```text\n{card.formula}\n```")
    if language == "en":
        parts += [markdown(note) for note in card.notes]
        facts[words["shape"]] = markdown(card.shape)
        facts[words["arguments"]] = "".join(
            f"\n  - `{name}`: {markdown(text)}" for name, text in card.arguments.items()
        )
    else:
        facts[words["inputs"]] = words["separator"].join(f"`{name}`" for name in card.inputs)
        facts[words["arguments"]] = words["in_english"].format(anchor(card.name))
    parts.append("\n".join(f"- **{key}**{words['colon']}{fact}" for key, fact in facts.items()))
    return re.sub(r" +$", "", "\n\n".join(parts), flags=re.MULTILINE)


def measured(rows: Rows, words: Mapping[str, Any]) -> str:
    """Return the results of a model on a task, without its differences to baselines.

    Values that were not measured are empty in the file, such as the deviation over one seed.
    """
    figures = [f"{r['metric']} {figure(r)}" for r in rows if "−" not in r["metric"]]
    about = {"seeds": rows[0]["seeds"].replace(" ", words["separator"])}
    if rows[0]["seconds"]:
        about["seconds"] = f"{float(rows[0]['seconds']):.3g}"
    if rows[0]["parameters"]:
        about["parameters"] = f"{int(rows[0]['parameters']):,}"
    said = [words["measured"][name].format(value) for name, value in about.items()]
    return words["semicolon"].join([words["separator"].join(figures), *said])


def figure(row: Mapping[str, str]) -> str:
    """Format mean ± standard deviation, the latter if seeds differ."""
    spread = f" ± {float(row['sd']):.4f}" if row["sd"] and float(row["sd"]) > 0 else ""
    return f"{float(row['mean']):.4f}{spread}"


def linked(paper: str) -> str:
    """Add links to arXiv to a reference."""
    return re.sub(r"arXiv (\d{4}\.\d{4,5})", r"[\g<0>](https://arxiv.org/abs/\1)", paper)


def anchor(name: str) -> str:
    """Return the anchor of the card of a model."""
    return name.lower().replace(".", "")


def markdown(text: str) -> str:
    """Escape the text of a docstring for Markdown, except for backticks."""
    parts = re.split(r"(``?[^`]+``?)", text)
    special = re.compile(r"[*<]|(?<!\w)_|_(?!\w)")
    return "".join(p if i % 2 else special.sub(r"\\\g<0>", p) for i, p in enumerate(parts))


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
