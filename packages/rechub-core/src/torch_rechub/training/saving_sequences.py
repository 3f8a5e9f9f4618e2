"""`save` of `SeqTrainer`: the parts of a bundle that recommends next items."""

from typing import TYPE_CHECKING, Any

from .saving import SavesBundles

if TYPE_CHECKING:
    from ..bundles.bundle import Part
    from ..data.preprocessing import Preprocessor


class SavesSequences(SavesBundles):
    """Bundles of next-item models."""

    bundle_task = "next_item"

    def bundle_parts(  # type: ignore[override]
        self,
        preprocessor: "Preprocessor | None",
        *,
        item: str,
        items: Any = None,
        user: str | None = None,
        time: str | None = None,
        time_unit: str = "s",
        length: int | None = None,
        reference: str | None = None,
        popularity: Any = None,
    ) -> "dict[str, Part]":
        """Return the items, and how histories become sequences.

        Args:
            preprocessor: Its input `item` has the vocabulary of tokens; None where raw ids are
                tokens.
            item: The column of raw item ids.
            items: The items that may be recommended: a table with one row for each; None takes all
                of the vocabulary.
            user: The column of raw user ids.
            time: The column of times; None for sequences without times.
            time_unit: The unit of times that are numbers; see `Interactions`.
            length: The longest sequence; None takes `max_seq_len` of the model.
            reference: The end of the time differences in training, "last" or "request"; None takes
                that of the model's `time_reference`.
            popularity: How often each item occurs, by row of `items` or raw id, for users of whom
                nothing is known; None takes the counts of the vocabulary.

        Raises:
            KeyError: A column is missing.
            ValueError: The vocabulary does not fit the model, or an argument is out of range.
        """
        # imported here, because training needs no pandas
        from ..bundles.histories import HistoryForm
        from ..bundles.next_item import SequencePart
        from ..bundles.token_sequences import SequenceForm

        model: Any = self.model
        spans = getattr(getattr(model, "spans", None), "reference", "previous")
        length = getattr(model, "max_seq_len", None) if length is None else length
        if length is None:
            raise ValueError("save needs length=, the longest sequence, as the model has none")
        form = SequenceForm(length, reference or ("request" if spans == "request" else "last"))
        catalog = catalog_of(item, items, preprocessor, popularity)
        _check_size(preprocessor, item, getattr(model, "vocab_size", None))
        histories = HistoryForm(item, user, time, time_unit)
        return {"items": catalog, "sequences": SequencePart(histories, form)}


def catalog_of(
    item: str, items: Any, preprocessor: "Preprocessor | None", popularity: Any = None
) -> Any:
    """Return the `Catalog` of a bundle.

    Args:
        item: The column of raw item ids.
        items: One row for each item; None takes all of the vocabulary of the input `item`.
        preprocessor: The preprocessor; None where there is no vocabulary.
        popularity: As in `Catalog`; None takes the counts of the vocabulary.

    Raises:
        KeyError: The preprocessor has no such input.
        ValueError: There are neither items nor a vocabulary.
    """
    from ..bundles.catalog import Catalog
    from ..bundles.vocabularies import counts_of

    counts = None if preprocessor is None else counts_of(preprocessor, item)
    if items is None and counts is None:
        raise ValueError("save needs items=, a table with one row for each item, or a preprocessor")
    items = {item: list(counts or ())} if items is None else items
    return Catalog(item, items, counts if popularity is None else popularity)


def _check_size(preprocessor: "Preprocessor | None", item: str, n_tokens: int | None) -> None:
    if preprocessor is None or n_tokens is None:
        return
    size = preprocessor.features(item, embed_dim=1)[0].vocab_size  # type: ignore[union-attr]
    if size > n_tokens:
        raise ValueError(
            f"the vocabulary of {item!r} has {size} ids, but the model has {n_tokens} tokens: give "
            "the preprocessor of its training data"
        )
