"""Bundles that predict rows: of ranking and of multi-task models."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy.typing as npt
import torch
from torch import Tensor, nn

from ..basic.layers.embedding import input_columns
from ..basic.layers.precision import widened
from ..models.links import Link, Linked, TaskLink, predictor_of_tasks
from .bundle import Bundle
from .errors import BundleError

if TYPE_CHECKING:
    from ..data.preprocessing import Preprocessor

LINKS: dict[str, Link] = {"exp": torch.exp, "softmax": nn.Softmax(dim=1)}


class RowsBundle(Bundle):
    """A bundle of a ranking or a multi-task model.

    Example:
        >>> import tempfile
        >>> from torch_rechub.bundles import load_bundle
        >>> from torch_rechub.data.preprocessing import Categorical, Preprocessor
        >>> from torch_rechub.models.ranking import LR
        >>> from torch_rechub.trainers import CTRTrainer
        >>> log = {"city": ["b", "a", "b", "a"], "click": [1, 0, 1, 0]}
        >>> preprocessor = Preprocessor([Categorical("city")], targets=["click"])
        >>> train, folder = preprocessor.fit_transform(log), tempfile.mkdtemp()
        >>> trainer = CTRTrainer(LR(preprocessor.features()), n_epoch=1, model_path=folder)
        >>> trainer.fit(train.loader(batch_size=2))
        >>> path = trainer.save(folder + "/bundle", preprocessor=preprocessor)
        >>> load_bundle(path).predict([{"city": "a"}, {"city": "unknown"}]).shape
        (2,)
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        if (self.task == "multi_task") != ("task_types" in self.document.outputs):
            raise BundleError(f"the outputs of a {self.task} bundle are not as written")
        _check_targets(self.document.outputs)
        refuse_other_columns(self.model, self.preprocessor)
        _ = self.predictor  # raises what the outputs of the document are not

    @property
    def targets(self) -> tuple[str, ...]:
        """The names of the predicted labels."""
        return tuple(self.document.outputs.get("targets", ()))

    def predict(
        self, rows: Any, batch_size: int | None = None, *, engine: str = "torch"
    ) -> npt.NDArray[Any]:
        """Return the prediction of each row, as the trainer's `predict` does.

        Args:
            rows: N raw rows; see `inputs`. Values that training did not know are unknown ones.
            batch_size: Number of rows per batch; None means that of the trainer's `predict`, 4096
                rows, or fewer if these have more than half a million values.
            engine: "torch", or "onnx": ONNX Runtime with the file of ``save(..., onnx=True)``.

        Returns:
            Shape (N,), or (N, T) of T tasks, or (N, C) of C classes: probabilities, values or
            scores, by the loss of training.

        Raises:
            KeyError: A column is missing.
            ValueError: A cell does not fit its column.
        """
        return self.predict_inputs(self.inputs(rows), batch_size, engine=engine)

    def predict_inputs(
        self,
        inputs: Mapping[str, npt.NDArray[Any]],
        batch_size: int | None = None,
        *,
        engine: str = "torch",
    ) -> npt.NDArray[Any]:
        """Return the prediction of each row of encoded inputs; see `predict`."""
        onnx = self.onnx_model(engine)
        call = self.predictor if onnx is None else self._shaped(onnx)
        found: npt.NDArray[Any] = self.infer(call, inputs, batch_size).numpy()
        return found

    @cached_property
    def predictor(self) -> Callable[[dict[str, Tensor]], Tensor]:
        """The function from a batch of inputs, as tensors, to its predictions."""
        return self._shaped(predictor_of(self.model, self.document.outputs))

    def _shaped(self, call: Callable[..., Any]) -> Callable[[dict[str, Tensor]], Tensor]:
        """The first output of a call, as (N,), (N, T) or (N, C)."""
        n_tasks = len(self.document.outputs.get("task_types", ()))
        classes = self.document.outputs.get("link") == "softmax"

        def predicted(x: dict[str, Tensor]) -> Tensor:
            output: Any = call(x)
            first: Tensor = output[0] if isinstance(output, tuple | list) else output
            rows = next(iter(x.values())).shape[0]
            shape = (rows, n_tasks) if n_tasks else tuple(first.shape) if classes else (rows,)
            return widened(first.reshape(shape))

        return predicted


def refuse_other_columns(model: nn.Module, preprocessor: "Preprocessor | None") -> None:
    """Refuse a preprocessor that lacks inputs of the model, or has ids beyond its tables.

    Raises:
        BundleError: The preprocessor is of another model.
    """
    if preprocessor is None:
        return
    given = {feature.name: feature for feature in preprocessor.features()}
    for name, (_, rows) in input_columns(model).items():
        size: int | None = getattr(given.get(name), "vocab_size", None)
        if name not in given:
            problem = f"it has no column {name!r}, which the model reads"
        elif rows is not None and size is not None and size > rows:
            problem = f"column {name!r} has ids 0 to {size - 1}, the model 0 to {rows - 1}"
        else:
            continue
        raise BundleError(
            f"the preprocessor is not that of the model: {problem}. Give the one that encoded the "
            "training data"
        )


def _check_targets(outputs: Mapping[str, Any]) -> None:
    """Refuse names of targets that are no texts, or of other tasks than the model has."""
    names, types = outputs.get("targets", []), outputs.get("task_types")
    texts = isinstance(names, list) and all(isinstance(name, str) for name in names)
    if not texts or (types is not None and len(names) != len(types)):
        raise BundleError(f"the targets of the bundle are not as written: {names!r}")


def predictor_of(model: nn.Module, outputs: Mapping[str, Any]) -> nn.Module:
    """Return a module from inputs to predictions.

    Args:
        model: The model.
        outputs: The outputs of the bundle: `link`, None for the model's own output, "logits", or
            one of `LINKS`; of several tasks `task_types`, and a link or None for each in `links`.

    Raises:
        BundleError: They are not as written.
    """
    try:
        return _linked(model, outputs)
    except BundleError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"the outputs of the bundle are not as written: {error!r}") from error


def _linked(model: nn.Module, outputs: Mapping[str, Any]) -> nn.Module:
    types: Sequence[str] | None = outputs.get("task_types")
    if types is not None:
        return predictor_of_tasks(model, TaskLink(types, list(map(_link, outputs["links"]))))
    link = outputs.get("link")
    return model if link is None else Linked(model, _link(link))


def _link(name: str | None) -> Link | None:
    if name in (None, "logits"):
        return None
    if name not in LINKS:
        raise BundleError(f"the link of the predictions is {name!r}, not one of {[*LINKS]}")
    return LINKS[name]
