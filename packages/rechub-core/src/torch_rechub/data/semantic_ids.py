"""Histories as semantic ids, for models that generate the semantic id of the next item."""

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from .._bounds import check_number
from .._errors import UnknownChoiceError
from ..types import FilePath
from .negative import python_generator
from .trie import Trie

log = logging.getLogger("torch_rechub")

Sample = dict[str, Any]
IGNORED = -100  # the label that torch's cross-entropy ignores


class TigerSeqDataset(Dataset[Sample]):
    """Samples of a history and the next item, both as text of semantic-id tokens.

    Of a user's items i_1 … i_n, the last is for testing, the last but one for validation, and the
    earlier ones for training, each with the items before it as history. The first item has no
    history and is not a sample. Items with the same tokens are reported, because generated tokens
    cannot distinguish them.

    Args:
        inters_json: The items of each user in the order of time, or a JSON file of them:
            {"user": [item, …]}.
        indices_json: The tokens of each item, or a JSON file of them, as
            `RQVAEModel.generate_semantic_ids` makes them: {"item": ["<a_3>", "<b_7>", …]}.
        max_his_len: Largest number of items in a history, the last ones; 0 means no limit.
        mode: "train", "valid" or "test".
        sample_num: Number of samples, drawn at random under `random.seed`; 0 keeps all.
        weights: The weight in losses and metrics of each user's samples, at least 0, by user; None
            weighs all equally.

    Raises:
        UnknownChoiceError: `mode` has another value.
        ValueError: There are fewer samples than `sample_num`.
        KeyError: A user has an item without tokens, or `weights` lacks the user.

    Example:
        >>> items = {"0": ["<a_0>", "<b_1>"], "1": ["<a_0>", "<b_2>"], "2": ["<a_5>", "<b_0>"]}
        >>> TigerSeqDataset({"u": [2, 0, 1]}, items, max_his_len=20, mode="test")[0]
        {'input_ids': '<a_5><b_0><a_0><b_1>', 'labels': '<a_0><b_2>'}

    Reference:
        Rajput et al., Recommender Systems with Generative Retrieval, NeurIPS 2023,
        arXiv 2305.05065.
    """

    def __init__(
        self,
        inters_json: Mapping[Any, Sequence[Any]] | FilePath,
        indices_json: Mapping[Any, Sequence[str]] | FilePath,
        max_his_len: int,
        mode: str = "train",
        sample_num: int = 0,
        *,
        weights: Mapping[Any, float] | None = None,
    ) -> None:
        if mode not in ("train", "valid", "test"):
            raise UnknownChoiceError(f"mode must be 'train', 'valid' or 'test', got {mode!r}")
        self.max_his_len, self.mode, self.sample_num = max_his_len, mode, sample_num
        self.inters, indices = _read(inters_json), _read(indices_json)
        self.indices = {str(item): list(tokens) for item, tokens in indices.items()}
        self._names = list(indices)  # the items as given
        _warn_of_shared(self.indices)
        self.inter_data = [
            sample | ({} if weights is None else {"weight": _weight_of(user, weights)})
            for user, items in self.inters.items()
            for sample in self._of(items)
        ]
        if sample_num > 0:
            if sample_num > len(self.inter_data):
                raise ValueError(
                    f"sample_num={sample_num}, but there are {len(self.inter_data)} samples"
                )
            drawn = python_generator().choice(len(self.inter_data), sample_num, replace=False)
            self.inter_data = [self.inter_data[i] for i in drawn]

    def _of(self, items: Sequence[Any]) -> Iterator[Sample]:
        """Return the samples of a user."""
        texts = [self._text(item) for item in items]
        n = len(texts)
        targets = {"train": range(1, n - 2), "valid": [n - 2], "test": [n - 1]}[self.mode]
        for t in targets:
            if t > 0:
                first = max(0, t - self.max_his_len) if self.max_his_len > 0 else 0
                yield {"input_ids": "".join(texts[first:t]), "labels": texts[t]}

    def _text(self, item: Any) -> str:
        if str(item) not in self.indices:
            raise KeyError(f"item {item!r} has no tokens in indices_json")
        return "".join(self.indices[str(item)])

    def __len__(self) -> int:
        return len(self.inter_data)

    def __getitem__(self, index: int) -> Sample:
        return self.inter_data[index]

    def item_tokens(self) -> list[tuple[Any, list[str]]]:
        """Return each item, as named in `indices_json`, and its tokens."""
        return list(zip(self._names, self.indices.values(), strict=True))

    def get_new_tokens(self) -> list[str]:
        """Return all tokens of semantic ids, sorted, to add them to a tokenizer."""
        return sorted({token for tokens in self.indices.values() for token in tokens})

    def get_all_items(self, as_list: bool = False) -> set[str] | list[str]:
        """Return the text of every item: a set, or a list in the order of `indices_json`."""
        texts = ["".join(tokens) for tokens in self.indices.values()]
        return texts if as_list else set(texts)

    def make_tokenizer(self) -> Any:
        """Create a tokenizer of transformers with the tokens of semantic ids only.

        It is for models trained from scratch; for pretrained ones, add `get_new_tokens` to their
        tokenizer.

        Raises:
            ImportError: transformers is missing.

        Example:
            >>> data = TigerSeqDataset({}, {7: ["<a_0>", "<b_1>"]}, max_his_len=20)
            >>> tokenizer = data.make_tokenizer()
            >>> len(tokenizer), tokenizer("<b_1><a_0>")["input_ids"]
            (5, [4, 3, 1])
            >>> tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id
            (0, 1, 2)
        """
        try:
            from tokenizers import Tokenizer, models, pre_tokenizers, processors
            from transformers import PreTrainedTokenizerFast
        except ImportError as error:
            raise ImportError(
                "make_tokenizer needs transformers: pip install 'rechub-core[generative]'"
            ) from error
        pad, end, unknown = special = ("<pad>", "</s>", "<unk>")
        numbers = {token: i for i, token in enumerate([*special, *self.get_new_tokens()])}
        words = Tokenizer(models.WordLevel(numbers, unk_token=unknown))
        words.pre_tokenizer = pre_tokenizers.Split(">", "merged_with_previous")
        words.post_processor = processors.TemplateProcessing(
            f"$A {end}", special_tokens=[(end, numbers[end])]
        )
        return PreTrainedTokenizerFast(
            tokenizer_object=words, pad_token=pad, eos_token=end, unk_token=unknown
        )

    def get_items_fn(self, tokenizer: Any) -> Callable[[Sequence[int]], list[Any]]:
        """Return a function that decodes token numbers to items.

        Args:
            tokenizer: A tokenizer with the tokens of `get_new_tokens`.

        Returns:
            A function from token numbers to the sequence of items, as named in `indices_json`;
            other tokens, such as padding, are skipped.

        Raises:
            ValueError: The tokenizer does not know a token.

        Example:
            >>> items = {7: ["<a_0>", "<b_1>"], 8: ["<a_0>", "<b_2>"]}
            >>> data = TigerSeqDataset({}, items, max_his_len=20)
            >>> data.get_items_fn(data.make_tokenizer())([0, 3, 5, 3, 4, 1])
            [8, 7]
        """
        number_of = self._numbers(tokenizer)
        ids = ([number_of[token] for token in tokens] for tokens in self.indices.values())
        item_of = {tuple(codes): name for codes, name in zip(ids, self._names, strict=True)}
        codes = set(number_of.values())

        def items(numbers: Sequence[int]) -> list[Any]:
            found: list[Any] = []
            begun: tuple[int, ...] = ()
            for number in numbers:
                begun = (*begun, number) if number in codes else ()
                if begun in item_of:
                    found.append(item_of[begun])
                    begun = ()
            return found

        return items

    def _numbers(self, tokenizer: Any) -> dict[str, int]:
        """Return the number of each token of semantic ids."""
        tokens = self.get_new_tokens()
        numbers = dict(zip(tokens, tokenizer.convert_tokens_to_ids(tokens), strict=True))
        unknown = [t for t, i in numbers.items() if i is None or i == tokenizer.unk_token_id]
        if unknown:
            raise ValueError(
                f"the tokenizer does not know {unknown[0]!r}: call tokenizer.add_tokens(dataset"
                ".get_new_tokens()), then model.resize_token_embeddings(len(tokenizer))"
            )
        return numbers

    def get_prefix_allowed_tokens_fn(self, tokenizer: Any) -> Callable[[int, Tensor], list[int]]:
        """Return a function that constrains `generate` of transformers to ids of known items.

        Args:
            tokenizer: A tokenizer with the tokens of `get_new_tokens`.

        Returns:
            A function from the number of a row and its tokens so far, with the decoder's start
            token first, to the tokens that may follow.

        Raises:
            ValueError: The tokenizer does not know a token.
        """
        ids = self._numbers(tokenizer)
        end = tokenizer.eos_token_id
        trie = Trie([[*(ids[t] for t in item), end] for item in self.indices.values()])
        return lambda batch_id, sentence: trie.get(sentence.tolist()[1:]) or [end]

    def get_collate_fn(self, tokenizer: Any) -> Callable[[Sequence[Sample]], Any]:
        """Return the `collate_fn` for a `DataLoader`.

        Args:
            tokenizer: A tokenizer of transformers that appends its end token to a text.

        Returns:
            A function from samples to `input_ids` and `attention_mask` (B, L), and `labels`
            (B, M + 1), with −100, which losses ignore, for padding. Samples with weights become
            ``(x, None, weights)``.
        """

        def collate(samples: Sequence[Sample]) -> Any:
            def encoded(name: str) -> Any:
                texts = [sample[name] for sample in samples]
                return tokenizer(
                    texts, return_tensors="pt", padding="longest", return_attention_mask=True
                )

            inputs, labels = encoded("input_ids"), encoded("labels")
            x = {
                "input_ids": inputs["input_ids"],
                "attention_mask": inputs["attention_mask"],
                "labels": labels["input_ids"].masked_fill(labels["attention_mask"] == 0, IGNORED),
            }
            if "weight" not in samples[0]:
                return x
            return x, None, torch.tensor([sample["weight"] for sample in samples])

        return collate


def _weight_of(user: Any, weights: Mapping[Any, float]) -> float:
    """Return the weight of a user.

    Raises:
        KeyError: The user has none.
        TypeError: It is not a number.
        ValueError: It is negative or not finite.
    """
    if user not in weights:
        raise KeyError(f"weights has no weight of user {user!r}")
    check_number("[0, inf)", **{f"weights[{user!r}]": weights[user]})
    return float(weights[user])


def _read(table: Mapping[Any, Any] | FilePath) -> Mapping[Any, Any]:
    """Return a table, or read it from a JSON file."""
    if isinstance(table, Mapping):
        return table
    found: Mapping[Any, Any] = json.loads(Path(table).read_text(encoding="utf-8"))
    return found


def _warn_of_shared(indices: Mapping[str, Sequence[str]]) -> None:
    """Warn of items with the same tokens."""
    shared = len(indices) - len({tuple(tokens) for tokens in indices.values()})
    if shared:
        log.warning(
            "%d of %d items have tokens that another item has already, so that they cannot be told "
            "apart: RQVAEModel.generate_semantic_ids gives each item tokens of its own.",
            shared,
            len(indices),
        )
