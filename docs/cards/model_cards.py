"""The model cards of the documentation, read from the docstrings of the models."""

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, get_origin, get_type_hints

ROOMS = ("ranking", "matching", "multi_task", "generative")
# Models that their room does not export, as it exports another of that name.
FURTHER = {"matching": ["dssm_senet.DSSM"]}
TRAINERS = {
    "ranking": "CTRTrainer(model)",
    "matching": "MatchTrainer(model, mode={mode})",
    "multi_task": "MTLTrainer(model, task_types)",
    "generative": "SeqTrainer(model)",
    # and for models that are trained otherwise than their room is
    "DIEN": "CTRTrainer(model, loss_mode=False)",
    "RQVAEModel": "rqvae_trainer.Trainer(model)",
    "TIGERModel": "TigerTrainer(model, data, tokenizer)",
}
SECTION = re.compile(r"^(Args|Shape|Returns|Raises|Attributes|Example|Reference):$", re.MULTILINE)
COMPLEXITY = "Complexity: "


@dataclass(frozen=True)
class Card:
    """What there is to say of a model, apart from its results.

    Attributes:
        name: How its room exports it.
        summary: A sentence by language, "en" and "zh".
        formula: With its line breaks.
        notes: The other paragraphs of its docstring.
        complexity: Multiply-adds a sample.
        inputs: The arguments that are features; without any, those of `forward`.
        signature: How it is made.
        arguments: What each argument is.
        shape: Inputs and outputs.
        paper: Authors, title, venue, year, arXiv.
        trainer: What trains it, as code.
        in_batch: Whether it can also be trained on the items of a batch.
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
    """The cards of each room, given Chinese sentences by the names of models.

    Raises:
        ValueError: A docstring lacks a part, or a sentence is of no model.
    """
    models = {room: models_of(room) for room in ROOMS}
    for name in sorted(set(chinese) - {name for found in models.values() for name in found}):
        raise ValueError(f"docs/cards/zh.json describes {name}, which is no model: take it out")
    return {
        room: [read_card(room, name, model, chinese) for name, model in found.items()]
        for room, found in models.items()
    }


def models_of(room: str) -> dict[str, Any]:
    """The models of a room by name, sorted without regard to case."""
    package = f"torch_rechub.models.{room}"
    exported = import_module(package)
    found = {name: getattr(exported, name) for name in exported.__all__}
    for path in FURTHER.get(room, []):
        module, _, name = path.rpartition(".")
        found[path] = getattr(import_module(f"{package}.{module}"), name)
    return dict(sorted(found.items(), key=lambda pair: pair[0].lower()))


def read_card(room: str, name: str, model: Any, chinese: Mapping[str, str]) -> Card:
    """The card of a model.

    Raises:
        ValueError: The docstring lacks a part.
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
    """The mode of `MatchTrainer` for what a model returns: a pair, one logit a row, or a list."""
    returned = get_type_hints(getattr(model, "score", model.forward)).get("return")
    if get_origin(returned) is tuple:
        return 1
    return 0 if hasattr(model, "logits") else 2


def signature(model: Any) -> str:
    """How a model is made, as code without types."""
    parameters = inspect.signature(model).parameters.values()
    plain = [p.replace(annotation=p.empty) for p in parameters]
    return f"{model.__name__}{inspect.Signature(plain)}"


def inputs(model: Any) -> list[str]:
    """What says what a model reads."""
    features = [n for n in inspect.signature(model).parameters if re.search("features?$", n)]
    return features or [n for n in inspect.signature(model.forward).parameters if n != "self"]


def entries(section: str) -> dict[str, str]:
    """The names of an Args section, and what each is."""
    lines = [one_line(entry) for entry in re.split(r"\n(?=\S)", section)]
    return {name: text for name, _, text in (line.partition(": ") for line in lines)}


def one_line(text: str) -> str:
    """A paragraph without its line breaks."""
    return " ".join(text.split())
