"""Writing a bundle."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from ..types import FilePath
from .bundle import Part
from .document import FILE, BundleDocument
from .errors import BundleError
from .folder import files_in, written_bundle
from .model_form import describe_model
from .weights import FILE as WEIGHTS
from .weights import write_tensors

if TYPE_CHECKING:
    from ..data.preprocessing import Preprocessor

ARGUMENTS = "arguments.safetensors"
PREPROCESSOR = "preprocessor"


def write_bundle(
    folder: FilePath,
    *,
    task: str,
    model: nn.Module,
    outputs: Mapping[str, Any],
    preprocessor: "Preprocessor | None" = None,
    parts: Mapping[str, Part] | None = None,
    others: Mapping[str, Mapping[str, Any]] | None = None,
    write_more: Callable[[Path], object] | None = None,
    arguments: Mapping[str, Any] | None = None,
) -> Path:
    """Write a bundle, whole or not at all; an earlier one in the folder is replaced.

    Args:
        folder: The folder.
        task: The task, one of `document.TASKS`.
        model: The model, with the weights to save.
        outputs: How predictions are made of its output.
        preprocessor: The fitted preprocessor; None where rows are the inputs of the model.
        parts: Additional parts by name.
        others: The entries metrics, trainer and run of the document.
        write_more: Writes additional files to a given folder, such as an ONNX file.
        arguments: Constructor arguments by name, in place of those that cannot be written.

    Raises:
        BundleError: The model cannot be rebuilt from its arguments, or has no sound weights.
        FileExistsError: The folder holds other files.
        OSError: Writing failed, as on a full disk; an earlier bundle is unchanged.
    """
    form, tensors = describe_model(model, arguments)
    with written_bundle(folder) as new:
        aliases = write_tensors(new / WEIGHTS, model.state_dict())
        if tensors:
            write_tensors(new / ARGUMENTS, tensors)
        if preprocessor is not None:
            try:
                preprocessor.save(new / PREPROCESSOR)
            except (TypeError, ValueError) as error:
                raise BundleError(f"the preprocessor cannot be saved: {error}") from error
        settings = {name: part.write(new) for name, part in (parts or {}).items()}
        if write_more is not None:
            write_more(new)
        files = files_in(new)
        document = BundleDocument(
            task=task, model=form, outputs=dict(outputs), parts=settings, aliases=aliases,
            data=_data(preprocessor), files=files,
            **{name: dict(entry) for name, entry in (others or {}).items()},
        )  # fmt: skip
        (new / FILE).write_bytes(document.to_json())
    return Path(folder)


def _data(preprocessor: "Preprocessor | None") -> dict[str, Any]:
    """The digest of the preprocessor, which runs record as `vocabulary`, and the number of rows."""
    if preprocessor is None:
        return {}
    seen = preprocessor.describe()["rows"].dropna()
    return {"preprocessor": preprocessor.digest, "rows": int(seen.max()) if len(seen) else 0}
