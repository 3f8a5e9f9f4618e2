"""`continue_from` of trainers: the model of a bundle, trained on newer data."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from ..models.arguments import constructor, unwrapped
from ..types import FilePath
from .lineage import TrainingRun
from .reporting.hyperparams import describe_data
from .reporting.identity import describe_identity
from .saving import SavesBundles
from .trainer_arguments import read, written

if TYPE_CHECKING:
    from ..bundles.bundle import Bundle
    from .continued import Continued

T = TypeVar("T", bound="ContinuesBundles")


class ContinuesBundles(SavesBundles):
    """Bundles that record how the trainer was set, and the method that continues from one.

    Attributes:
        run: The training run, the last one after `fit`.
    """

    run: TrainingRun
    _given: dict[str, Any]

    # `__init__` of the subclasses could not be intercepted by that of a base
    def __new__(cls: type[T], *args: Any, **kwargs: Any) -> T:
        """Create the trainer and record its arguments."""
        trainer = super().__new__(cls)
        trainer.run, trainer._given = TrainingRun(), {}
        try:
            bound = constructor(cls).bind(*args, **kwargs)
        except TypeError:  # copy and pickle give no arguments; of a wrong call `__init__` raises
            return trainer
        given = dict(bound.arguments)
        trainer._given = given | given.pop("options", {})
        return trainer

    @classmethod
    def continue_from(
        cls,
        bundle: "FilePath | Bundle",
        new_frame: Any,
        *,
        like: Mapping[str, Any] | None = None,
        arguments: Mapping[str, Any] | None = None,
        optimizer: bool = False,
        **options: Any,
    ) -> "Continued":
        """Continue the training of a bundle with newer data.

        Vocabularies get the new values of the data; the rows of all old ids stay, and the row of a
        new id is that of the unknown one, so that predictions are those of the bundle until `fit`.
        The run records the run of the bundle as its parent.

        Args:
            bundle: The folder of a bundle, or a loaded one.
            new_frame: Newer raw rows, such as those of a day, in any form that the preprocessor
                takes; for retrieval, and for next items, a log of interactions.
            like: Items whose new ids start from their attributes, by name of the input: a table
                with one row an item, its raw id in the column of that name, and attributes in the
                others, as ``{"movie": movies}``. See `bundles.growth.grown_model`.
            arguments: New values of constructor arguments of the model that hold an entry for each
                id, such as the interactions of `LightGCN`.
            optimizer: Whether the optimizer continues from its state in the bundle, which has to be
                saved with ``optimizer=True``; the moments of new ids are those of a first step,
                zero for Adam. Otherwise it starts anew. Schedules always do.
            **options: Arguments of the trainer, such as n_epoch, model_path and model_logger; those
                not given are the ones of the bundle, but for those of a single run: model_path,
                model_logger, callbacks, record, device, gpus.

        Raises:
            BundleError: The bundle is damaged, of another task, or has no state of this optimizer.
            KeyError: A column is missing, such as that of labels, or of the times of a log.
            TypeError: The times of a log are text, or an argument has no such type or name.
            ValueError: The bundle has no preprocessor, a user, an item or a time of a log is
                missing, or an argument has to be given.

        Example:
            >>> import tempfile
            >>> from torch_rechub.data.preprocessing import Categorical, Preprocessor
            >>> from torch_rechub.models.ranking import LR
            >>> from torch_rechub.trainers import CTRTrainer
            >>> monday, tuesday = ({"city": [old, "b"], "click": [1, 0]} for old in ("a", "c"))
            >>> preprocessor = Preprocessor([Categorical("city")], targets=["click"])
            >>> folder = tempfile.mkdtemp()
            >>> train = preprocessor.fit_transform(monday)
            >>> trainer = CTRTrainer(LR(preprocessor.features()), n_epoch=1, model_path=folder)
            >>> trainer.fit(train.loader(batch_size=2))
            >>> path = trainer.save(folder + "/monday", preprocessor=preprocessor)
            >>> continued = CTRTrainer.continue_from(path, tuesday, model_path=folder)
            >>> continued.fit(batch_size=2)
            >>> continued.preprocessor.encode("city", ["a", "b", "c"])
            array([2, 3, 4], dtype=int32)
            >>> saved = continued.save(folder + "/tuesday")
        """
        # imported here, because training needs no bundles
        from ..bundles.grown_bundle import checked_bundle, grow
        from ..bundles.newer_rows import check_newer
        from .continued import Continued

        parent = checked_bundle(bundle, cls.bundle_task, cls.__name__)
        check_newer(parent, new_frame)
        settings = read(parent.document.trainer.get("arguments"), options, cls.__name__)
        model, preprocessor = grow(parent, new_frame, like or {}, arguments)
        trainer = cls(model, **settings)
        if optimizer:
            from ..bundles.optimizer_state import restore

            restore(parent, unwrapped(trainer.model), trainer.optimizer)
        trainer.run.parent_run_id = parent.document.run.get("id")
        trainer.run.parent_digest = parent.document.digest
        return Continued(trainer, preprocessor, new_frame, parent)

    def describe_run(self, train: Any) -> dict[str, Any]:
        """Return everything that is recorded when a run starts."""
        trainer: Any = self
        retrieval = {"retrieval": getattr(trainer, "retrieval", None)}
        identity = describe_identity(
            trainer.recorder.recording, {**trainer.batches.given, **retrieval}, trainer.model
        )
        return {**trainer.hyperparams(), **describe_data(train), **identity, **self.run.recorded()}

    def bundle_run(self) -> dict[str, Any]:
        """The id of the run, and of the one that it continues."""
        return self.run.in_bundle()

    def _recorded(self) -> dict[str, Any]:
        return {**super()._recorded(), "arguments": written(self._given)}
