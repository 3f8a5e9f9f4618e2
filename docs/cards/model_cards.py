"""The model cards of the documentation, read from the docstrings of the models."""

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, get_origin, get_type_hints

ROOMS = ("ranking", "matching", "multi_task", "generative")
# models that their package does not export, because it exports another of the same name
ADDITIONAL = {"matching": ["dssm_senet.DSSM"]}
TRAINERS = {
    "ranking": "CTRTrainer(model)",
    "matching": "MatchTrainer(model, mode={mode})",
    "multi_task": "MTLTrainer(model, task_types)",
    "generative": "SeqTrainer(model)",
    # and of models that are trained by another trainer than the rest of their package
    "DIEN": "CTRTrainer(model, loss_mode=False)",
    "RQVAEModel": "rqvae_trainer.Trainer(model)",
    "TIGERModel": "TigerTrainer(model, data, tokenizer)",
}
SECTION = re.compile(r"^(Args|Shape|Returns|Raises|Attributes|Example|Reference):$", re.MULTILINE)
COMPLEXITY = "Complexity: "


@dataclass(frozen=True)
class Card:
    """The contents of a model card, apart from results.

    Attributes:
        name: The exported name.
        summary: Language, "en" or "zh", to summary.
        formula: The formula, with line breaks.
        notes: The other paragraphs of its docstring.
        complexity: Number of multiply-adds per sample.
        inputs: The arguments that are features; without any, those of `forward`.
        signature: The signature, as code.
        arguments: Argument to description.
        shape: The shapes of inputs and outputs.
        paper: Authors, title, venue, year, arXiv.
        trainer: The trainer, as code.
        in_batch: Whether it supports in-batch negatives.
    """

    name: str
    summary: Mapping[str, str]
    formula: str
    notes: list[str]
    complexity: str
    inputs: list[str]
    signature: str
    arguments: Mapping[str, str]
    shape: str
    paper: str
    trainer: str
    in_batch: bool


def read_cards(chinese: Mapping[str, str]) -> dict[str, list[Card]]:
    """Read the cards of each package, with Chinese summaries by model name.

    Raises:
        ValueError: A docstring lacks a section, or a summary has no model.
    """
    models = {room: models_of(room) for room in ROOMS}
    for name in sorted(set(chinese) - {name for found in models.values() for name in found}):
        raise ValueError(f"docs/cards/zh.json describes {name}, which is no model: take it out")
    return {
        room: [read_card(room, name, model, chinese) for name, model in found.items()]
        for room, found in models.items()
    }


def models_of(room: str) -> dict[str, Any]:
    """Return the models of a package by name, sorted case-insensitively."""
    package = f"torch_rechub.models.{room}"
    exported = import_module(package)
    found = {name: getattr(exported, name) for name in exported.__all__}
    for path in ADDITIONAL.get(room, []):
        module, _, name = path.rpartition(".")
        found[path] = getattr(import_module(f"{package}.{module}"), name)
    return dict(sorted(found.items(), key=lambda pair: pair[0].lower()))


def read_card(room: str, name: str, model: Any, chinese: Mapping[str, str]) -> Card:
    """Read the card of a model.

    Raises:
        ValueError: The docstring lacks a section.
    """
    body, *rest = SECTION.split(inspect.getdoc(model) or "")
    sections = dict(zip(rest[::2], map(inspect.cleandoc, rest[1::2]), strict=True))
    summary, *paragraphs = [p.strip() for p in body.split("\n\n")]
    costs = [p for p in paragraphs if p.startswith(COMPLEXITY)]
    formula, *notes = [p for p in paragraphs if p and p not in costs] or [""]
    parts = {
        f"a paragraph '{COMPLEXITY}O(…).', the multiply-adds a sample": costs,
        "its formula as the first paragraph below the summary": "=" in formula,
        **{f"a section {key!r}": key in sections for key in ("Args", "Shape", "Reference")},
    }
    for part, is_there in parts.items():
        if not is_there:
            raise ValueError(f"the docstring of {name} needs {part}")
    trainer = TRAINERS.get(name, TRAINERS[room])
    return Card(
        name=name,
        summary={"en": one_line(summary), "zh": chinese.get(name, one_line(summary))},
        formula=formula,
        notes=[one_line(note) for note in notes],
        complexity=one_line(costs[0]).removeprefix(COMPLEXITY).removesuffix("."),
        inputs=inputs(model),
        signature=signature(model),
        arguments=entries(sections["Args"]),
        shape=one_line(sections["Shape"]),
        paper=one_line(sections["Reference"]),
        trainer=trainer.format(mode=match_mode(model)),
        in_batch=hasattr(model, "user_tower") and hasattr(model, "item_tower"),
    )


def match_mode(model: Any) -> int:
    """Return the mode of `MatchTrainer` for the outputs of a model: pairs, logits, or lists."""
    returned = get_type_hints(getattr(model, "score", model.forward)).get("return")
    if get_origin(returned) is tuple:
        return 1
    return 0 if hasattr(model, "logits") else 2


def signature(model: Any) -> str:
    """Return the signature of a model, as code without types."""
    parameters = inspect.signature(model).parameters.values()
    plain = [p.replace(annotation=p.empty) for p in parameters]
    return f"{model.__name__}{inspect.Signature(plain)}"


def inputs(model: Any) -> list[str]:
    """Return the arguments that describe the inputs of a model."""
    features = [n for n in inspect.signature(model).parameters if re.search("features?$", n)]
    return features or [n for n in inspect.signature(model.forward).parameters if n != "self"]


def entries(section: str) -> dict[str, str]:
    """Parse an Args section to names and descriptions."""
    lines = [one_line(entry) for entry in re.split(r"\n(?=\S)", section)]
    return {name: text for name, _, text in (line.partition(": ") for line in lines)}


def one_line(text: str) -> str:
    """Join the lines of a paragraph."""
    return " ".join(text.split())
