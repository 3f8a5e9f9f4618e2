"""Training of TIGER, which generates the semantic id of the next item, and its recommendations."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .._bounds import check_whole
from ..metrics.ranking import ranking_metrics, top_ks
from ..training.evaluation import warn_if_shuffled
from ..training.settings import Folder, Settings, TrainerOptions
from ..training.trainer import Trainer

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ..data.semantic_ids import TigerSeqDataset
    from ..models.generative import TIGERModel

IGNORED = -100  # labels that torch's cross-entropy leaves out


class TigerTrainer(Trainer):
    """Trains a TIGER on histories and next items, and asks it for recommendations.

    L = −(1/|P|) Σ_{m ∈ P} ln softmax(ŷ_m / τ)[y_m],  P: the tokens of the labels of a batch

    An epoch's loss is the mean over all tokens, whatever batches they came in. Validates by the
    same loss, the lower the better. Recorded each epoch: train/loss, learning_rate, val/loss.
    The arguments not listed here are those of `CTRTrainer`.

    Args:
        model: The TIGER, whose vocabulary has `len(tokenizer)` tokens.
        data: Any part of the data: says which tokens an item has.
        tokenizer: The tokenizer of the loaders' batches.

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

    monitor = "val/loss"

    def __init__(
        self,
        model: "TIGERModel",
        data: "TigerSeqDataset",
        tokenizer: Any,
        optimizer_fn: Callable[..., torch.optim.Optimizer] = torch.optim.Adam,
        optimizer_params: Mapping[str, Any] | None = None,
        scheduler_fn: Callable[..., Any] | None = None,
        scheduler_params: Mapping[str, Any] | None = None,
        n_epoch: int = 10,
        earlystop_patience: int = 10,
        device: str | torch.device = "cpu",
        model_path: Folder = "./",
        model_logger: Any = None,
        **options: "Unpack[TrainerOptions]",
    ) -> None:
        gpus, earlystop_mode = None, "min"
        settings = Settings.of(locals(), options)
        super().__init__(model, settings)
        self._forward = settings.parallel(self.model)
        self._allowed = data.get_prefix_allowed_tokens_fn(tokenizer)
        self._items = data.get_items_fn(tokenizer)
        ids = list(data.indices.values())
        self._n_items, self._longest = len(ids), max(map(len, ids), default=0)

    def losses(self, batch: Any) -> Tensor:
        """The mean loss of the tokens of a batch."""
        loss: Tensor = self._forward(**batch, use_cache=False).loss
        return loss

    def loss_count(self, batch: Any) -> Tensor:
        """How many tokens a batch has to write."""
        labels: Tensor = batch["labels"]
        return (labels != IGNORED).sum()

    def validate(self, data_loader: Iterable[Any]) -> dict[str, float]:
        """The loss of a validation pass."""
        return {"val/loss": self.evaluate(data_loader)}

    @torch.inference_mode()
    def evaluate(self, data_loader: Iterable[Any]) -> float:
        """The mean loss of all tokens of the labels.

        Args:
            data_loader: Yields what `TigerSeqDataset.get_collate_fn` makes.
        """
        self.model.eval()
        total, count = torch.zeros((), dtype=torch.float64), 0
        for batch in self.feed(data_loader, self.feed.bar(data_loader, "evaluate")):
            n = int(self.loss_count(batch))
            total += n * self.losses(batch).cpu().double()
            count += n
        return float(total) / count if count else math.nan

    def recommend(self, data_loader: Iterable[Any], num_beams: int = 20) -> list[list[Any]]:
        """The most probable next items of each history, the best first, by a beam search.

        A search of at least as many beams as there are items misses none; a smaller one may miss
        an item whose first codes are improbable.

        Args:
            data_loader: Yields what `TigerSeqDataset.get_collate_fn` makes, in order.
            num_beams: How many ids the search keeps at each code, and items it gives.

        Returns:
            For each history `num_beams` items, or all, named as in `indices_json`.

        Raises:
            ValueError: `num_beams` is below 1.
        """
        warn_if_shuffled(data_loader)
        batches = self.feed(data_loader, self.feed.bar(data_loader, "recommend"))
        return [items for batch in batches for items in self._search(batch, num_beams)]

    def evaluate_topk(
        self,
        data_loader: Iterable[Any],
        topKs: Iterable[int] = (10,),
        exclude_seen: bool = False,
        num_beams: int | None = None,
    ) -> dict[str, float]:
        """How high the targets are among what is recommended, each a mean over histories.

        With r the rank of a target: where r ≤ K, hit@K is 1, ndcg@K is 1/log₂(r + 1) and mrr@K is
        1/r; elsewhere, as where the search does not find the target, they are 0.

        Args:
            data_loader: Yields what `TigerSeqDataset.get_collate_fn` makes.
            topKs: The Ks.
            exclude_seen: Whether the items of a history are left out of its ranking; they take up
                beams all the same.
            num_beams: See `recommend`; None means the largest K, and with `exclude_seen` as many
                more as the longest history of the batch has items.

        Returns:
            {"hit@10": …, "ndcg@10": …, "mrr@10": …}; NaN without histories.

        Raises:
            ValueError: A K is below 1, or none is given, or `num_beams` is below 1.
        """
        ks = top_ks(topKs)
        targets: list[Any] = []
        ranked: list[list[Any]] = []
        for batch in self.feed(data_loader, self.feed.bar(data_loader, "evaluate")):
            targets += [self._items(row)[0] for row in batch["labels"].tolist()]
            seen = [self._items(row) if exclude_seen else [] for row in batch["input_ids"].tolist()]
            beams = max(ks) + max(map(len, seen)) if num_beams is None else num_beams
            for left_out, items in zip(seen, self._search(batch, beams), strict=True):
                own = targets[len(ranked)]
                ranked.append([item for item in items if item == own or item not in left_out])
        of_rows = ({i: [item] for i, item in enumerate(targets)}, dict(enumerate(ranked)))
        metrics = ranking_metrics(*of_rows, ks)
        return {f"{m}@{k}": metrics[f"{m}@{k}"] for k in ks for m in ("hit", "ndcg", "mrr")}

    @torch.inference_mode()
    def _search(self, batch: Any, num_beams: int) -> list[list[Any]]:
        """The items of the beams of each history of a batch, the best first."""
        check_whole(1, num_beams=num_beams)
        self.model.eval()
        n = min(num_beams, self._n_items)
        found = self.model.generate(  # type: ignore[operator]
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            max_new_tokens=self._longest + 1,
            do_sample=False,
            num_beams=n,
            num_return_sequences=n,
            length_penalty=0.0,  # the probability of an item, however long its id is
            prefix_allowed_tokens_fn=self._allowed,
        )
        items = [self._items(row)[0] for row in found.tolist()]
        return [items[i : i + n] for i in range(0, len(items), n)]
