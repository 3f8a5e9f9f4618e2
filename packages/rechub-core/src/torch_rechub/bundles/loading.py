"""`load_bundle`: a bundle of any task from its folder."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ..types import FilePath
from .bundle import Bundle
from .document import BundleDocument
from .errors import BundleError
from .folder import read_document
from .generative import GenerativeBundle
from .model_form import build_model
from .next_item import NextItemBundle
from .retrieval import RetrievalBundle
from .rows import RowsBundle
from .saving import ARGUMENTS, PREPROCESSOR
from .semantic_ids import SemanticIdsBundle
from .weights import FILE as WEIGHTS
from .weights import put_weights, read_tensors

BUNDLES: dict[str, type[Bundle]] = {
    "ranking": RowsBundle,
    "multi_task": RowsBundle,
    "next_item": NextItemBundle,
    "retrieval": RetrievalBundle,
    "generative": GenerativeBundle,
    "semantic_ids": SemanticIdsBundle,
}


def load_bundle(
    path: FilePath,
    *,
    device: str | torch.device = "cpu",
    models: Sequence[Any] = (),
    functions: Mapping[str, Callable[..., Any]] | None = None,
) -> Any:
    """Load a bundle; no code of the folder is run.

    Args:
        path: The folder that `save` of a trainer wrote.
        device: The device of the model, wherever it was trained.
        models: Classes and functions of yours that the model is made of.
        functions: The functions of `Numeric` columns of the preprocessor, by name.

    Returns:
        The `Bundle` of its task: with `predict` for ranking and multi-task models, with `recommend`
        for the others.

    Raises:
        FileNotFoundError: There is no bundle.
        BundleError: It is damaged, foreign, edited or of a newer version, or refers to a class or a
            function that was not given.
        ValueError: This build of torch cannot use the device.
    """
    where = _usable(device)
    folder, document = read_document(path)
    kind = BUNDLES[document.task]
    _check_parts(kind, folder, document)
    if WEIGHTS not in document.files:
        raise BundleError(f"{folder} is damaged: it has no {WEIGHTS}")
    weights = read_tensors(folder / WEIGHTS, document.aliases)
    tensors = read_tensors(folder / ARGUMENTS) if ARGUMENTS in document.files else {}
    model = build_model(document.model, tensors, models, weights=weights)
    preprocessor = _preprocessor(folder, document, functions)
    try:
        put_weights(model, weights, folder / WEIGHTS)
        parts = {n: kind.part_types[n].read(folder, entry) for n, entry in document.parts.items()}
        return kind(folder, document, model, preprocessor, parts, where)
    except BundleError:
        raise
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise BundleError(
            f"{folder} was edited, or written by another release: its parts, outputs and model do "
            f"not fit together ({error!r})"
        ) from error


def _usable(device: str | torch.device) -> torch.device:
    """Return a device that can hold tensors."""
    try:
        where = torch.device(device)
        torch.empty(0, device=where)
    except (AssertionError, RuntimeError, TypeError) as error:
        raise ValueError(
            f"device must be one that torch {torch.__version__} can use here, got {device!r}: "
            'leave it out for "cpu"; "cuda" needs a GPU and a build of torch with CUDA'
        ) from error
    return where


def _check_parts(kind: type[Bundle], folder: Path, document: BundleDocument) -> None:
    """Refuse missing, additional and empty parts."""
    for name, entry in document.parts.items():
        if name not in kind.part_types:
            raise BundleError(f"{folder} has a part {name!r}, which no {document.task} bundle has")
        if not isinstance(entry, dict):
            raise BundleError(f"{folder} is damaged: the settings of {name!r} are not as written")
    if missing := kind.part_types.keys() - document.parts.keys() - kind.optional_parts:
        raise BundleError(f"{folder} has no part {min(missing)!r}, as a {document.task} bundle has")


def _preprocessor(
    folder: Path,
    document: BundleDocument,
    functions: Mapping[str, Callable[..., Any]] | None,
) -> Any:
    if not any(name.startswith(f"{PREPROCESSOR}/") for name in document.files):
        if "preprocessor" in document.data:
            raise BundleError(
                f"{folder} is damaged or was changed: its {PREPROCESSOR} is missing; copy the "
                "bundle again, or save it again"
            )
        return None
    # imported here, because bundles without a preprocessor need no pyarrow
    from ..data.preprocessing import Preprocessor

    try:
        return Preprocessor.load(folder / PREPROCESSOR, functions)
    except (ValueError, FileNotFoundError) as error:
        raise BundleError(str(error)) from error
