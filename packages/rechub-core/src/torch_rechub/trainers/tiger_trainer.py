"""`TigerTrainer`: training and recommendation of TIGER."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from .._bounds import check_whole
from ..data.batch import Batch
from ..losses.batch_loss import BatchLoss, mean_of_batches
from ..metrics.computing import of_lists
from ..metrics.monitor import Metric, Needs, metric_named
from ..metrics.ranking import top_ks
from ..objectives.beam_search import BeamSearch, lists_of
from ..objectives.next_item_metrics import SEQUENCE_METRICS
from ..training.list_examples import ShowsGenerated
from ..training.saving_codes import SavesGenerative
from ..training.settings import Folder, Settings, TrainerOptions, known_options
from ..training.trainer import Trainer

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ..data.semantic_ids import TigerSeqDataset
    from ..models.generative import TIGERModel

IGNORED = -100  # the label that torch's cross-entropy ignores


class TigerTrainer(ShowsGenerated, SavesGenerative, Trainer):
    """Trains a TIGER on histories and next items, and recommends by beam search.

    L = −(1/|P|) Σ_{m ∈ P} ln softmax(ŷ_m / τ)[y_m],  P: the tokens of the labels of a batch

    The loss of an epoch is the mean over all tokens. Recorded each epoch: train/loss,
    learning_rate, val/loss. The arguments not listed here are those of `CTRTrainer`.

    Args:
        model: The TIGER, whose vocabulary has `len(tokenizer)` tokens.
        data: Any part of the data, with the tokens of all items.
        tokenizer: The tokenizer of the loaders.
        exclude_seen, num_beams: For ranking metrics of validation, as in `evaluate_topk`.

    Raises:
        ValueError: The tokenizer does not know a token of the items.

    Example:
        >>> import tempfile
        >>> from torch.utils.data import DataLoader
        >>> from transformers import T5Config
        >>> from torch_rechub.models.generative import TIGERModel
        >>> from torch_rechub.utils.data import TigerSeqDataset
        >>> ids = {item: [f"<a_{item % 3}>", f"<b_{item // 3}>"] for item in range(9)}
        >>> users = {user: [user % 9, 4, 7, user % 5] for user in range(20)}
        >>> parts = [TigerSeqDataset(users, ids, 20, mode) for mode in ("train", "valid", "test")]
        >>> tokenizer = parts[0].make_tokenizer()
        >>> collate = parts[0].get_collate_fn(tokenizer)
        >>> train, val, test = (DataLoader(part, 10, collate_fn=collate) for part in parts)
        >>> config = T5Config(vocab_size=len(tokenizer), d_model=16, d_kv=8, d_ff=32, num_layers=1,
        ...                   num_heads=2, decoder_start_token_id=0)
        >>> trainer = TigerTrainer(TIGERModel(config), parts[0], tokenizer, n_epoch=2,
        ...                        model_path=tempfile.mkdtemp())
        >>> trainer.fit(train, val)
        >>> [len(items) for items in trainer.recommend(test, num_beams=5)] == [5] * 20
        True
        >>> sorted(trainer.evaluate_topk(test, topKs=[5]))
        ['hit@5', 'mrr@5', 'ndcg@5']

    Reference:
        Rajput et al., Recommender Systems with Generative Retrieval, NeurIPS 2023,
        arXiv 2305.05065.
    """

    model_inputs = "codes"
    default_metrics = ("loss",)
    own_metrics = SEQUENCE_METRICS
    measured: tuple[Needs, ...] = ("hits",)

    def __init__(
        self,
        model: "TIGERModel",
        data: "TigerSeqDataset",
        tokenizer: Any,
        optimizer_fn: Callable[..., torch.optim.Optimizer] = torch.optim.Adam,
        optimizer_params: Mapping[str, Any] | None = None,
        scheduler_fn: Callable[..., Any] | str | None = None,
        scheduler_params: Mapping[str, Any] | None = None,
        n_epoch: int = 10,
        earlystop_patience: int = 10,
        device: str | torch.device = "cpu",
        model_path: Folder = "./",
        model_logger: Any = None,
        *,
        exclude_seen: bool = False,
        num_beams: int | None = None,
        **options: "Unpack[TrainerOptions]",
    ) -> None:
        settings = Settings(
            optimizer_fn=optimizer_fn, optimizer_params=optimizer_params,
            scheduler_fn=scheduler_fn, scheduler_params=scheduler_params,
            n_epoch=n_epoch, earlystop_patience=earlystop_patience, device=device, gpus=None,
            model_path=model_path, model_logger=model_logger,
            **known_options(TigerTrainer, options),
        )  # fmt: skip
        super().__init__(model, settings)
        self.ranking = {"exclude_seen": exclude_seen, "num_beams": num_beams}
        self._forward = settings.parallel(self.model)
        self.search = BeamSearch(self.model, data, tokenizer)
        self.collate_fn = data.get_collate_fn(tokenizer)

    def losses(self, batch: Batch) -> BatchLoss:
        """Return the mean loss of the tokens of a batch, and their number or sum of weights."""
        output, labels = self._forward(**batch.inputs, use_cache=False), batch.inputs["labels"]
        tokens, w = (labels != IGNORED).sum(dim=1), batch.weights
        if w is None:
            return BatchLoss(output.loss, tokens.sum())
        loss = self.model.ranking_loss(output.logits, labels, weights=w)  # type: ignore[operator]
        return BatchLoss(loss, (tokens * w).sum())

    def measure(self, model: nn.Module, data_loader: Iterable[Any]) -> dict[str, float]:
        """The metrics of the model, by name; `model` must be the one being trained."""
        ranking = [m for m in self.metrics if m.name != "loss"]
        has_loss = len(ranking) < len(self.metrics)
        values = {"loss": self.evaluate(data_loader)} if has_loss else {}
        if ranking:
            values |= self._ranked(data_loader, ranking, **self.ranking)
        return {metric.name: values[metric.name] for metric in self.metrics}

    def evaluate(self, data_loader: Iterable[Any]) -> float:
        """Return the mean loss of all tokens of the labels.

        Args:
            data_loader: A loader with the `collate_fn` of `TigerSeqDataset.get_collate_fn`.
        """
        return mean_of_batches(self.evaluation(self.model, data_loader, self.losses))

    def recommend(self, data_loader: Iterable[Any], num_beams: int = 20) -> list[list[Any]]:
        """Return the most probable next items of each history, the best first, by beam search.

        Args:
            data_loader: A loader with the `collate_fn` of `TigerSeqDataset.get_collate_fn`.
            num_beams: Number of beams, and of returned items, named as in `indices_json`. A search
                with fewer beams than items may miss some.

        Raises:
            ValueError: `num_beams` is below 1.
        """
        check_whole(1, num_beams=num_beams)

        def step(batch: Batch) -> list[list[Any]]:
            return self.search(batch.inputs, num_beams)

        batches = self.evaluation(self.model, data_loader, step, "recommend", in_order=True)
        return [items for batch in batches for items in batch]

    def evaluate_topk(
        self,
        data_loader: Iterable[Any],
        topKs: Iterable[int] = (10,),
        exclude_seen: bool = False,
        num_beams: int | None = None,
    ) -> dict[str, float]:
        """Return ranking metrics of the targets in the recommendations, averaged over histories.

        See `SeqTrainer.evaluate_topk`; a target that the search does not find has no rank.

        Args:
            data_loader: A loader with the `collate_fn` of `TigerSeqDataset.get_collate_fn`.
            topKs: The Ks.
            exclude_seen: Whether to exclude the items of a history; a target among them is missed.
            num_beams: See `BeamSearch.hits`.

        Returns:
            {"hit@10": …, "ndcg@10": …, "mrr@10": …}; NaN without histories.
        """
        metrics = [metric_named(f"{m}@{k}") for k in top_ks(topKs) for m in ("hit", "ndcg", "mrr")]
        return self._ranked(data_loader, metrics, exclude_seen, num_beams)

    def _ranked(
        self, data_loader: Any, metrics: Sequence[Metric], exclude_seen: Any, num_beams: Any
    ) -> dict[str, float]:
        check_whole(1, num_beams=num_beams)
        k = max(metric.k or 1 for metric in metrics)

        def step(batch: Batch) -> tuple[list[list[bool]], Tensor | None]:
            return self.search.hits(batch.inputs, k, exclude_seen, num_beams), batch.weights

        results = self.evaluation(self.model, data_loader, step)
        return of_lists(metrics, lists_of(results, k))
