"""`save` of `TigerTrainer`: the parts of a bundle that generates semantic ids."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .saving import SavesBundles

if TYPE_CHECKING:
    from ..bundles.bundle import Part
    from ..data.preprocessing import Preprocessor
    from ..data.semantic_ids import TigerSeqDataset


class SavesCodes(SavesBundles):
    """Bundles of models of semantic ids."""

    bundle_task = "semantic_ids"


class SavesGenerative(SavesBundles):
    """Bundles of models that generate semantic ids."""

    bundle_task = "generative"

    def bundle_parts(
        self,
        preprocessor: "Preprocessor | None",
        *,
        item: str = "item",
        items: Any = None,
        user: str | None = None,
        time: str | None = None,
        time_unit: str = "s",
        popularity: Any = None,
    ) -> "dict[str, Part]":
        """Return the items, and their semantic ids.

        Args:
            preprocessor: If given, items of the data are ids of its input `item`; None where they
                are raw ids.
            item: The column of raw item ids.
            items: A table with one row for each item; those with a semantic id are among them. None
                takes these.
            user: The column of raw user ids.
            time: The column of times, by which logs are sorted; None where they are sorted.
            time_unit: The unit of times that are numbers; see `Interactions`.
            popularity: How often each item occurs, by row of `items` or raw id, for users of whom
                nothing is known; None takes the counts of the training part of the data.

        Raises:
            BundleError: The tokenizer does not read items one after the other.
            KeyError: A column is missing, or an item with a semantic id.
        """
        # imported here, because training needs no pandas
        from ..bundles.histories import HistoryForm
        from ..bundles.item_codes import ItemCodes, codes_of
        from .saving_sequences import catalog_of

        search: Any = self.search  # type: ignore[attr-defined]
        data, names, tokens = search.data, *_named(search.data)
        counts = _counts(data)
        popular = [counts[str(name)] for name in names]
        if preprocessor is not None:
            names = preprocessor.decode(item, list(map(int, names))).tolist()
        rows = {item: names} if items is None else items
        popularity = dict(zip(names, popular, strict=True)) if popularity is None else popularity
        catalog = catalog_of(item, rows, None, popularity)
        form = _form(search.tokenizer, data, HistoryForm(item, user, time, time_unit))
        of_row: list[Sequence[str]] = [()] * len(catalog)
        for row, code in zip(catalog.known_rows_of(names).tolist(), tokens, strict=True):
            of_row[row] = code
        return {"items": catalog, "codes": ItemCodes(codes_of(of_row, form.numbers), form)}


def _named(data: "TigerSeqDataset") -> tuple[list[Any], list[list[str]]]:
    pairs = data.item_tokens()
    return [name for name, _ in pairs], [tokens for _, tokens in pairs]


def _counts(data: "TigerSeqDataset") -> Counter[str]:
    """Return how often each item is in the training part of the histories."""
    return Counter(str(item) for items in data.inters.values() for item in list(items)[:-2])


def _form(tokenizer: Any, data: "TigerSeqDataset", histories: Any) -> Any:
    """Return how the tokenizer reads histories."""
    from ..bundles.errors import BundleError
    from ..bundles.item_codes import HistoryTokens

    tokens = data.get_new_tokens()
    numbers = dict(zip(tokens, map(int, tokenizer.convert_tokens_to_ids(tokens)), strict=True))
    items = [item for _, item in data.item_tokens()][:2]
    code = [numbers[token] for item in items for token in item]
    found = list(tokenizer("".join(token for item in items for token in item))["input_ids"])
    places = [i for i in range(len(found)) if found[i : i + len(code)] == code]
    if not places:
        raise BundleError(
            f"the tokenizer reads {items} as {found}, which are not their tokens {code} one after "
            "the other: take data.make_tokenizer(), or one without spaces between tokens"
        )
    before, after = found[: places[0]], found[places[0] + len(code) :]
    return HistoryTokens(
        histories, int(data.max_his_len), tuple(before), tuple(after), int(tokenizer.eos_token_id),
        int(tokenizer.pad_token_id), numbers,
    )  # fmt: skip
