"""Prefix trees, to constrain generation to known sequences."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

Node = dict[int, Any]


class Trie:
    """A prefix tree of token sequences that returns the possible next tokens of a prefix.

    Args:
        sequences: The initial sequences.

    Example:
        >>> trie = Trie([[5, 6, 1], [5, 7, 1]])
        >>> trie.get([5]), trie.get([5, 6]), trie.get([6])
        ([6, 7], [1], [])
        >>> len(trie), [5, 7, 1] in list(trie)
        (2, True)

    Reference:
        De Cao et al., Autoregressive Entity Retrieval, ICLR 2021, arXiv 2010.00904.
    """

    def __init__(self, sequences: Iterable[Sequence[int]] = ()) -> None:
        self.trie_dict: Node = {}
        self.append_trie: Trie | None = None
        self.bos_token_id: int | None = None
        for sequence in sequences:
            self.add(sequence)

    @staticmethod
    def load_from_dict(trie_dict: Node) -> "Trie":
        """Create a trie from a `trie_dict`, nested dicts by token."""
        trie = Trie()
        trie.trie_dict = trie_dict
        return trie

    def add(self, sequence: Sequence[int]) -> None:
        """Add a sequence. They should end with an end token: a prefix of another one is lost."""
        node = self.trie_dict
        for token in sequence:
            node = node.setdefault(token, {})

    def append(self, trie: "Trie", bos_token_id: int) -> None:
        """Append another trie, whose sequences follow `bos_token_id` in this one."""
        self.append_trie, self.bos_token_id = trie, bos_token_id

    def get(self, prefix_sequence: Sequence[int]) -> list[int]:
        """Return the possible next tokens of a prefix; empty if it is unknown or complete."""
        node = self.trie_dict
        for i, token in enumerate(prefix_sequence):
            other = self._follower(node)
            if other is not None and (token == self.bos_token_id or token not in node):
                return other.get(prefix_sequence[i:])
            if token not in node:
                return []
            node = node[token]
        other = self._follower(node)
        if other is None:
            return list(node)
        own = [token for token in node if token != self.bos_token_id]
        return own + [token for token in other.get([]) if token not in own]

    @staticmethod
    def def_prefix_allowed_tokens_fn(candidate_trie: "Trie") -> Callable[[int, Any], list[int]]:
        """Return the `prefix_allowed_tokens_fn` for `generate` of transformers.

        Args:
            candidate_trie: The allowed sequences, including their first token.

        Returns:
            A function from the number of a row and its tokens so far, a tensor, to the next tokens.
        """
        return lambda batch_id, sentence: candidate_trie.get(sentence.tolist())

    def __getitem__(self, prefix_sequence: Sequence[int]) -> list[int]:
        return self.get(prefix_sequence)

    def __iter__(self) -> Iterator[list[int]]:
        return _sequences(self.trie_dict, [])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _follower(self, node: Node) -> "Trie | None":
        """The appended trie at this position."""
        return self.append_trie if self.bos_token_id in node else None


def _sequences(node: Node, prefix: list[int]) -> Iterator[list[int]]:
    for token, following in node.items():
        sequence = [*prefix, token]
        yield from _sequences(following, sequence) if following else [sequence]
