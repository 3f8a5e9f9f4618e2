"""The semantic ids of items as token numbers, and the tokens that may follow in a search."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from .._bounds import check_whole
from .errors import BundleError
from .histories import HistoryForm
from .weights import read_tensors, write_tensors

Ids = npt.NDArray[np.int64]
Code = tuple[int, ...]

FILE = "items/codes.safetensors"
NO_TOKEN = -1


@dataclass(frozen=True)
class HistoryTokens:
    """How histories become the input of a model that generates semantic ids.

    Attributes:
        histories: The names of raw columns.
        length: The last items that are read; 0 for all.
        before: The special tokens before a history.
        after: Those after it, such as that of the end.
        end: The token after a generated id.
        padding: The token of padding.
        numbers: The number of each token of semantic ids.
    """

    histories: HistoryForm
    length: int
    before: Code
    after: Code
    end: int
    padding: int
    numbers: dict[str, int]

    def __post_init__(self) -> None:
        values = {f"numbers[{token!r}]": number for token, number in self.numbers.items()}
        for name in ("before", "after"):
            values |= {f"{name}[{i}]": number for i, number in enumerate(getattr(self, name))}
        check_whole(0, length=self.length, end=self.end, padding=self.padding, **values)

    @property
    def highest(self) -> int:
        """The highest number of a token."""
        return max(*self.before, *self.after, self.end, self.padding, *self.numbers.values())


@dataclass(frozen=True, eq=False)
class ItemCodes:
    """The semantic ids of N items, and how histories are read.

    Attributes:
        codes: The token numbers of each item, (N, M); `NO_TOKEN` in the end of shorter ids, and in
            all places of items without one.
        form: How histories become inputs.
    """

    codes: Ids
    form: HistoryTokens

    @property
    def histories(self) -> HistoryForm:
        """The names of raw columns."""
        return self.form.histories

    def of(self, row: int) -> Code:
        """Return the tokens of an item; () if it has none."""
        return tuple(number for number in self.codes[row].tolist() if number != NO_TOKEN)

    def with_rows(self, rows: Ids, added: Ids | None = None) -> "ItemCodes":
        """Return the codes of other items.

        Args:
            rows: The row here of each item, (N,); −1 for added ones.
            added: The codes of those, in their order; None where they have none.
        """
        widths = (self.codes.shape[1], 0 if added is None else added.shape[1])
        codes = np.full((len(rows), max(widths)), NO_TOKEN, dtype=np.int64)
        codes[rows >= 0, : widths[0]] = self.codes[rows[rows >= 0]]
        if added is not None:
            codes[rows < 0, : widths[1]] = added
        return ItemCodes(codes, self.form)

    @cached_property
    def rows(self) -> dict[Code, int]:
        """The row of each semantic id; the last one of those that share it."""
        return {code: row for row in range(len(self.codes)) if (code := self.of(row))}

    @cached_property
    def children(self) -> dict[Code, list[int]]:
        """The tokens after each beginning of a semantic id, the end among them."""
        found: dict[Code, dict[int, None]] = {}
        for code in self.rows:
            whole = (*code, self.form.end)
            for i, token in enumerate(whole):
                found.setdefault(whole[:i], {})[token] = None
        return {beginning: list(tokens) for beginning, tokens in found.items()}

    def count(self, rows: Iterable[int]) -> Counter[Code]:
        """Return how many of some items begin with each sequence of tokens."""
        counts: Counter[Code] = Counter()
        for row in rows:
            code = self.of(row)
            if code and self.rows[code] == row:
                whole = (*code, self.form.end)
                counts.update(whole[:i] for i in range(1, len(whole) + 1))
        return counts

    def allowed(
        self, counts: Mapping[Code, int], seen: Sequence[Iterable[int]]
    ) -> Callable[[int, Tensor], list[int]]:
        """Return the `prefix_allowed_tokens_fn` for `generate` of transformers.

        A token is allowed as long as it leads to an item that is left.

        Args:
            counts: The `count` of the items that may be found.
            seen: The rows among them that each user has seen.
        """
        of_user = [self.count(rows) for rows in seen]

        def tokens(user: int, sentence: Tensor) -> list[int]:
            beginning, excluded = tuple(sentence.tolist()[1:]), of_user[user]
            left = []
            for token in self.children.get(beginning, ()):
                longer = (*beginning, token)
                if counts.get(longer, 0) > excluded.get(longer, 0):
                    left.append(token)
            return left or [self.form.end]  # of a beam that leads nowhere

        return tokens

    def inputs(self, histories: Sequence[Iterable[int]]) -> tuple[Tensor, Tensor]:
        """Return `input_ids` and `attention_mask`, (B, L) each.

        Args:
            histories: The rows of the items of each user, oldest first; each has a semantic id.
        """
        form, texts = self.form, []
        for rows in histories:
            items = [self.of(row) for row in rows]
            items = items[-form.length :] if form.length else items
            texts.append([*form.before, *(t for item in items for t in item), *form.after])
        width = max(map(len, texts))
        ids = torch.tensor([text + [form.padding] * (width - len(text)) for text in texts])
        length = torch.tensor([len(text) for text in texts])
        return ids, (torch.arange(width) < length[:, None]).long()

    def write(self, folder: Path) -> dict[str, Any]:
        """Write the codes below a folder; return the settings to read them."""
        (folder / FILE).parent.mkdir(exist_ok=True)
        write_tensors(folder / FILE, {"codes": torch.from_numpy(self.codes)})
        return {**asdict(self.form), "histories": self.form.histories.write(folder)}

    @classmethod
    def read(cls, folder: Path, settings: Mapping[str, Any]) -> "ItemCodes":
        """Read the codes; see `write`.

        Raises:
            BundleError: The file or a setting is not as written.
        """
        try:
            names = {**settings, "histories": HistoryForm.read_part(settings["histories"])}
            for name in ("before", "after"):
                names[name] = tuple(names[name])
            codes = read_tensors(folder / FILE)["codes"]
            if codes.dim() != 2 or codes.dtype != torch.int64:
                raise ValueError(f"codes has the shape {tuple(codes.shape)} and {codes.dtype}")
            return cls(codes.numpy(), HistoryTokens(**names))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise BundleError(f"the codes of items are not as written: {error}") from error


def codes_of(items: Sequence[Sequence[str]], numbers: Mapping[str, int]) -> Ids:
    """Return the token numbers of items, (N, M).

    Args:
        items: The tokens of each item; none for an item without a semantic id.
        numbers: The number of each token.

    Raises:
        ValueError: A token is unknown.

    Example:
        >>> codes_of([["<a_0>"], ["<a_0>", "<b_1>"]], {"<a_0>": 3, "<b_1>": 4})
        array([[ 3, -1],
               [ 3,  4]])
    """
    found = np.full((len(items), max(map(len, items), default=0)), NO_TOKEN, dtype=np.int64)
    for row, tokens in enumerate(items):
        for i, token in enumerate(tokens):
            if token not in numbers:
                raise ValueError(
                    f"the model does not know the token {token!r} of item {row}: it knows "
                    f"{len(numbers)} tokens, such as {next(iter(numbers), None)!r}"
                )
            found[row, i] = numbers[token]
    return found
