"""`Bundle.describe`: a bundle as a text for people."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import nn

from .document import BundleDocument

if TYPE_CHECKING:
    from ..data.preprocessing import Preprocessor


def described(
    kind: str,
    document: BundleDocument,
    model: nn.Module,
    preprocessor: "Preprocessor | None",
) -> str:
    """Return a text of some lines; see `Bundle.describe`.

    Args:
        kind: The class of the bundle.
        document: Its document.
        model: Its model.
        preprocessor: Its preprocessor.
    """
    lines = {
        "inputs": _inputs(preprocessor),
        "predictions": ", ".join(map(str, document.outputs.get("targets") or ())),
        "parts": ", ".join(document.parts),
        "metrics": ", ".join(f"{name} {value:.4g}" for name, value in document.metrics.items()),
        "data": _data(document.data),
        "run": ", ".join(f"{name} {value}" for name, value in document.run.items()),
        "written by": ", ".join(_versions(document.versions)),
    }
    size = f"{_megabytes(model):.1f} MB of weights"
    title = f"{kind}: {document.task} by {type(model).__name__}, {size}"
    return "\n".join([title, *(f"{name:<11} {text}" for name, text in lines.items() if text)])


def _inputs(preprocessor: "Preprocessor | None") -> str:
    if preprocessor is None:
        return "those of the model, encoded"
    return ", ".join(f"{c.input_name} ({type(c).__name__})" for c in preprocessor.columns)


def _data(data: Mapping[str, Any]) -> str:
    if not data:
        return ""
    return f"{data.get('rows')} rows, vocabulary {str(data.get('preprocessor'))[:16]}"


def _versions(found: Mapping[str, str]) -> list[str]:
    """The versions that wrote the bundle, that of this library first."""
    return [f"{name} {found[name]}" for name in sorted(found, key=lambda n: n != "rechub-core")]


def _megabytes(model: nn.Module) -> float:
    """The size of the weights, those that share a storage counted once."""
    owners = {value.data_ptr(): value for value in model.state_dict().values()}
    n_bytes: int = sum(value.numel() * value.element_size() for value in owners.values())
    return n_bytes / 1e6
