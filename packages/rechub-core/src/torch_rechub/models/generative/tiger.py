"""TIGER: generates the semantic id of the next item from those of the history."""

from typing import TYPE_CHECKING, Any, ClassVar

import torch  # under this name, because the compiler of torch 2.6 looks it up in this module
from torch import Tensor

from ..._bounds import check_number
from ...losses.reduction import mean_of_rows
from ..arguments import RecordsArguments

if TYPE_CHECKING:
    _T5: Any = object
else:
    try:
        from transformers import T5ForConditionalGeneration as _T5
    except ImportError as _error:
        _REASON = _error

        class _T5:
            """Stands in for T5 if transformers is missing, and raises when it is created."""

            def __init__(self, *args: Any, **kwargs: Any) -> None:
                raise ImportError(
                    "TIGERModel needs transformers: pip install 'rechub-core[generative]'"
                ) from _REASON

            @classmethod
            def from_pretrained(cls, *args: Any, **kwargs: Any) -> Any:
                return cls(None)


class TIGERModel(RecordsArguments, _T5):  # type: ignore[misc]
    """A T5 encoder-decoder from a history to the next item, both as tokens of semantic ids.

    P(y | x) = Π_m softmax(ŷ_m / τ)[y_m],  L = −mean ln softmax(ŷ_m / τ)[y_m] over all tokens

    y are the codes of the next item and the end token. Items are recommended by beam search:
    `generate` with the `prefix_allowed_tokens_fn` of `TigerSeqDataset` is constrained to ids of
    known items, and `num_return_sequences` is the number of items; `TigerTrainer` trains and
    searches. Otherwise it behaves as `transformers.T5ForConditionalGeneration`.

    Complexity: O(N (L + M) D (D + d_ff + L + M) + M D V), D = max(d_model, num_heads · d_kv).

    Args:
        config: A `transformers.T5Config`, whose vocabulary holds the tokens of the ids.

    Shape:
        input_ids, attention_mask: (B, L); labels: (B, M), −100 for positions to ignore;
        `forward` returns an object with `logits` (B, M, V), and `loss` if labels are given. Without
        an attention mask, padding tokens are masked.

    Raises:
        ImportError: transformers is missing.

    Example:
        >>> import torch
        >>> from transformers import T5Config
        >>> config = T5Config(vocab_size=20, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2,
        ...                   decoder_start_token_id=0)
        >>> model = TIGERModel(config)
        >>> history, item = torch.randint(2, 20, (3, 8)), torch.randint(2, 20, (3, 4))
        >>> model(input_ids=history, labels=item).logits.shape
        torch.Size([3, 4, 20])

    Reference:
        Rajput et al., Recommender Systems with Generative Retrieval, NeurIPS 2023,
        arXiv 2305.05065.
    """

    why_no_onnx = (
        "it recommends by a beam search over the tokens of items, which is no graph; serve it with "
        "generate, or export its encoder and decoder with the package optimum"
    )

    held_arguments: ClassVar = {"config": "config"}
    later_settings = ("temperature",)

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.temperature = 1.0

    def set_hyper(self, temperature: float) -> None:
        """Set τ, which is 1 by default.

        Raises:
            ValueError: The temperature is not above 0.
        """
        check_number("(0, inf)", temperature=temperature)
        self.temperature = temperature

    def ranking_loss(
        self, lm_logits: Tensor, labels: Tensor, *, weights: Tensor | None = None
    ) -> Tensor:
        """Return L () of logits (B, M, V), labels (B, M) and the weights of their rows (B,)."""
        logits = lm_logits.flatten(0, 1) / self.temperature
        if weights is None:
            return torch.nn.functional.cross_entropy(logits, labels.flatten(), ignore_index=-100)
        losses = torch.nn.functional.cross_entropy(
            logits, labels.flatten(), ignore_index=-100, reduction="none"
        )
        return mean_of_rows(losses, (weights.unsqueeze(1) * (labels != -100)).flatten())

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        **kwargs: Any,
    ) -> Any:
        """Return the output of T5, with L as `loss`; additional arguments are passed to T5."""
        if attention_mask is None and input_ids is not None:
            attention_mask = (input_ids != self.config.pad_token_id).long()
        if labels is not None and not {"decoder_input_ids", "decoder_inputs_embeds"} & set(kwargs):
            kwargs["decoder_input_ids"] = self.prepare_decoder_input_ids_from_labels(labels)
        as_object = kwargs.pop("return_dict", None) is not False
        output = super().forward(
            input_ids=input_ids, attention_mask=attention_mask, return_dict=True, **kwargs
        )
        if labels is not None:
            loss = self.ranking_loss(output.logits, labels)
            output = type(output)(**{"loss": loss, **output})
        return output if as_object else output.to_tuple()
