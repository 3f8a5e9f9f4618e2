"""Free text as the ids of its words."""

import re
from dataclasses import dataclass, field
from unicodedata import normalize

from .multi_categorical import MultiCategorical

# kana and Han characters; these languages do not separate words by blanks
_IDEOGRAPHS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_LETTER = "[^\\W_]"  # or digit; punctuation among the ideographs, such as U+30FB, is none
_TOKEN = re.compile(f"(?=[{_IDEOGRAPHS}]){_LETTER}|(?:(?![{_IDEOGRAPHS}]){_LETTER})+")


@dataclass(frozen=True)
class Text(MultiCategorical):
    """A column of free text, such as titles, as ids of words of shape (N, L).

    Words are maximal runs of letters and digits, in lower case and in Unicode's normal form NFKC; a
    Chinese or Japanese character is a word of its own. Their ids are those of `MultiCategorical`.

    Args:
        column: Name of the raw column.
        max_length: The length L; None means that of the longest row when fitting.
        keep: Which words of longer rows are kept: "first" or "last".
        pooling: How embeddings of a row are pooled: "mean", "sum" or "concat" (not at all).
        min_count: Words that occur less often are unknown.
        max_size: The largest number of words with an id of their own; None means all.
        embed_dim: Width of the embedding; None means that of `Preprocessor.features`.
        shared_with: Name of the input whose vocabulary and embedding table are used.
        name: Name of the input; None means that of the raw column.

    Example:
        >>> from torch_rechub.data.preprocessing import Preprocessor
        >>> titles = Preprocessor([Text("title", min_count=1)])
        >>> titles.fit_transform({"title": ["The Piano", "the 钢琴"]})["title"]
        array([[2, 3, 0],
               [2, 5, 4]], dtype=int32)
    """

    separator: str | None = field(default=None, kw_only=True, init=False)
    min_count: int = field(default=2, kw_only=True)
    max_size: int | None = field(default=50_000, kw_only=True)

    @property
    def splits_text(self) -> bool:
        """Whether cells of text are split."""
        return True

    def tokens(self, text: str) -> list[str]:
        """Return the words of a text."""
        return _TOKEN.findall(normalize("NFKC", text).lower())
