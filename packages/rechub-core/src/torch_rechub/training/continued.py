"""`Continued`: the trainer of a bundle's model, with the vocabularies of newer data."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from torch.utils.data import DataLoader

from ..types import FilePath

if TYPE_CHECKING:
    from ..bundles.bundle import Bundle
    from ..data.interactions import Interactions
    from ..data.preprocessing import EncodedTable, Preprocessor


class Continued:
    """A trainer whose model is that of a bundle with rows for new ids; made by `continue_from`.

    Args:
        trainer: The trainer, before `fit`.
        preprocessor: The preprocessor of the bundle with the new values.
        data: The newer raw rows.
        parent: The bundle.

    Attributes:
        data: The newer rows, encoded.
    """

    def __init__(
        self, trainer: Any, preprocessor: "Preprocessor", data: Any, parent: "Bundle"
    ) -> None:
        self.trainer, self.preprocessor, self.parent = trainer, preprocessor, parent
        self.data: EncodedTable = preprocessor.transform(data)
        self._rows = data

    def __repr__(self) -> str:
        name, run = type(self.trainer).__name__, self.trainer.run
        return f"Continued({name}, {self.data!r}, parent_run_id={run.parent_run_id!r})"

    def fit(
        self,
        batch_size: int = 256,
        *,
        loader: Any = None,
        shuffle: bool = True,
        validation: Any = None,
        test: Any = None,
        **options: Any,
    ) -> Any:
        """Train on the newer rows; return what `fit` of the trainer returns.

        Args:
            batch_size: Number of rows per batch.
            loader: A loader of training data, such as of samples of `interactions`; None takes the
                newer rows as they are.
            shuffle: Whether to shuffle the rows in each epoch.
            validation: Raw rows for validation, or a loader; None means none, so that all epochs
                count.
            test: Raw rows for the test at the end, or a loader.
            **options: Additional arguments of `fit` of the trainer.

        Raises:
            ValueError: The model is trained on samples of a log, and no loader of them is given.
        """
        if loader is None:
            self._refuse_rows("fit")
            loader = self.data.loader(batch_size, shuffle=shuffle)
        val, tested = (
            self._loader(rows, name, batch_size)
            for name, rows in (("validation", validation), ("test", test))
        )
        return self.trainer.fit(loader, val, test_dataloader=tested, **options)

    def interactions(self) -> "Interactions":
        """Return the newer rows as an encoded log, for retrieval and next items.

        Its samples have histories of the newer rows alone; to continue older ones, give
        `continue_from` a log that begins earlier.

        Raises:
            KeyError: The rows have no column of a name.
            ValueError: The bundle has no names of the user, item and time.

        Example:
            ``continued.fit(loader=continued.interactions().samples(20).loader(256))``
        """
        # imported here, because ranking needs no log
        from ..bundles.newer_rows import histories_of
        from ..data.interactions import Interactions

        form = histories_of(self.parent)
        if form is None or form.user is None or form.time is None:
            raise ValueError(
                f"{self.parent.path} has no names of the columns of a log: save it with "
                "trainer.save(..., user=, item=, time=)"
            )
        names = (form.user, form.item, form.time)
        columns = dict.fromkeys(c.column for c in self.preprocessor.columns)
        others = [column for column in columns if column not in names]
        log = Interactions(self._rows, *names, attributes=others, time_unit=form.time_unit)
        return log.encode(self.preprocessor)

    def predict(self, rows: Any, batch_size: int = 256) -> npt.NDArray[Any]:
        """Return the predictions of raw rows, as the saved bundle will make them.

        Args:
            rows: Raw rows: a dict of columns, or a table.
            batch_size: Number of rows per batch.

        Raises:
            ValueError: The model reads samples of a log.
        """
        self._refuse_rows("predict")
        loader = self.preprocessor.transform(rows).loader(batch_size)
        return np.asarray(self.trainer.predict(self.trainer.model, loader), dtype=np.float32)

    def save(self, folder: FilePath, **options: Any) -> Path:
        """Save a bundle with the grown preprocessor; see `save` of the trainer.

        Args:
            folder: The folder.
            **options: Additional arguments of `save`, such as the items of a retrieval model; the
                columns of logs, the length of histories and the index are those of the bundle
                unless given.

        Raises:
            ValueError: The items of the bundle have columns, and no items are given.
        """
        # imported here, because training needs no bundles
        from ..bundles.newer_rows import saved_with

        options = {**saved_with(self.parent, options), "preprocessor": self.preprocessor, **options}
        path: Path = self.trainer.save(folder, **options)
        return path

    def _refuse_rows(self, rows: str) -> None:
        from ..bundles.newer_rows import refuse_rows

        refuse_rows(self.parent, rows)

    def _loader(self, rows: Any, name: str, batch_size: int) -> Any:
        """A loader of raw rows; a loader is returned as it is."""
        if rows is None or isinstance(rows, DataLoader):
            return rows
        self._refuse_rows(name)
        return self.preprocessor.transform(rows).loader(batch_size)
