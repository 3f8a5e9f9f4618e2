"""What training for retrieval asks of a batch: its loss, and scores whose order can be judged."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..basic.layers.precision import widened
from ..data.batch import batch_rows, split_batch
from ..losses.pairwise import BPRLoss
from .logits import logits_of

Judged = tuple[Tensor, Tensor]  # labels 0 and 1, and the scores that should put the 1s first


class Objective:
    """One way to train and to judge a retrieval model; what it asks of one, `TwoTower` says.

    Args:
        model: The model being trained.
        parallel: Spreads a module over the GPUs, where there are several.

    Attributes:
        criterion: The loss of what the model returns.
    """

    criterion: nn.Module

    def __init__(self, model: nn.Module, parallel: Callable[[nn.Module], nn.Module]) -> None:
        self.model, self.parallel = model, parallel
        self.call = parallel(model)

    def loss(self, x: Any, y: Tensor | None, criterion: nn.Module) -> Tensor:
        """The loss of a batch."""
        raise NotImplementedError

    def count(self, x: Any, y: Tensor | None) -> int | Tensor:
        """How many losses that of a batch is the mean of."""
        return batch_rows(x)

    def state_dict(self) -> dict[str, Any]:
        """What it must keep to go on after an interruption."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take back what `state_dict` gave."""

    def judged(self, model: nn.Module, x: Any, y: Tensor | None) -> Judged:
        """The labels and scores of a batch."""
        raise NotImplementedError

    @torch.inference_mode()
    def judge(self, model: nn.Module, batches: Iterable[Any]) -> Judged:
        """The labels and scores of all batches, on the CPU."""
        model.eval()
        parts = [(torch.empty(0), torch.empty(0))]
        for batch in batches:
            labels, scores = self.judged(model, *split_batch(batch))
            parts.append((widened(labels.reshape(-1)).cpu(), widened(scores.reshape(-1)).cpu()))
        labels, scores = (torch.cat(column) for column in zip(*parts))
        return labels, scores


class PointWise(Objective):
    """Binary cross-entropy of a probability; on the logits, at temperature 1, where there are any.

    Under a small temperature τ the sigmoid of cos / τ is a step at cosine 0: a loss of it teaches
    on which side a row is, and nothing of the order on a side. The order is what retrieval needs
    and what τ does not change, so the loss is that of τ = 1.
    """

    def __init__(self, model: nn.Module, parallel: Callable[[nn.Module], nn.Module]) -> None:
        super().__init__(model, parallel)
        self.criterion = nn.BCELoss()
        logits = logits_of(model)
        self.logits = None if logits is None else parallel(logits)

    def loss(self, x: Any, y: Tensor | None, criterion: nn.Module) -> Tensor:
        """Binary cross-entropy, or what `criterion` makes of the probabilities."""
        labels = _labels(y)
        if self.logits is not None and criterion is self.criterion:
            logits = widened(self.logits(x)) * temperature_of(self.model)
            return F.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype))
        scores = widened(_one_a_row(self.call(x), labels))
        loss: Tensor = criterion(scores, labels.to(scores.dtype))
        return loss

    def judged(self, model: nn.Module, x: Any, y: Tensor | None) -> Judged:
        """The labels, and the logits where there are any: probabilities may tie at 1."""
        labels = _labels(y)
        return labels, _one_a_row((logits_of(model) or model)(x), labels)


class PairWise(Objective):
    """BPR, or the model's own loss, of pairs of a positive's score and a negative's."""

    def __init__(self, model: nn.Module, parallel: Callable[[nn.Module], nn.Module]) -> None:
        super().__init__(model, parallel)
        self.criterion = getattr(model, "pair_loss", None) or BPRLoss()

    def loss(self, x: Any, y: Tensor | None, criterion: nn.Module) -> Tensor:
        """The mean over pairs that are no padding; 0 where there is none."""
        pos, neg = self._pairs(self.model, self.call(x), x)
        loss: Tensor = criterion(pos, neg) if len(pos) else pos.sum() + neg.sum()
        return loss

    def count(self, x: Any, y: Tensor | None) -> int | Tensor:
        """The number of pairs."""
        valid = getattr(self.model, "valid_pairs", None)
        return batch_rows(x) if valid is None else valid(x).sum().clamp(min=1)

    def judged(self, model: nn.Module, x: Any, y: Tensor | None) -> Judged:
        """The positives, labelled 1, and the negatives, labelled 0."""
        pos, neg = (scores.reshape(-1) for scores in self._pairs(model, model(x), x))
        return pooled(pos, neg)

    @staticmethod
    def _pairs(model: nn.Module, output: Any, x: Any) -> tuple[Tensor, Tensor]:
        if not isinstance(output, tuple | list) or len(output) != 2:
            raise ValueError(
                f"mode=1 trains models that return (positive scores, negative scores), not "
                f"{_form(output)}: see the other modes of MatchTrainer"
            )
        pos, neg = output
        valid = getattr(model, "valid_pairs", None)
        if valid is None:
            return pos, neg
        mask = valid(x)
        return pos[mask], neg[mask]


class ListWise(Objective):
    """Cross-entropy of logits (B, C); y says in which column the positive is, 0 without y."""

    criterion = nn.CrossEntropyLoss()

    def loss(self, x: Any, y: Tensor | None, criterion: nn.Module) -> Tensor:
        """The mean over rows."""
        logits, target = _candidates(self.call(x), y)
        loss: Tensor = criterion(logits, target)
        return loss

    def judged(self, model: nn.Module, x: Any, y: Tensor | None) -> Judged:
        """The positives, labelled 1, and all other candidates, labelled 0."""
        logits, target = _candidates(model(x), y)
        return F.one_hot(target, logits.shape[1]), logits


@contextmanager
def one_tower(model: Any, mode: str) -> Iterator[None]:
    """Let a model return the embeddings of its users or items in the block.

    Raises:
        AssertionError: The mode is neither "user" nor "item".
    """
    if mode not in ("user", "item"):
        raise AssertionError(f"mode must be 'user' or 'item', got {mode!r}")
    before = getattr(model, "mode", None)
    model.mode = mode
    try:
        yield
    finally:
        model.mode = before


def columns_in_use(model: nn.Module, in_batch: bool) -> list[str] | None:
    """The columns that the mode of a model reads; None where all of the model's are needed."""
    mode = getattr(model, "mode", None) or "score"
    parts = ("user", "item") if in_batch and mode == "score" else (mode,)
    inputs = [getattr(model, f"{part}_inputs", None) for part in parts]
    return None if None in inputs else [f.name for features in inputs for f in features or ()]


def prediction(model: nn.Module, x: Any) -> Tensor:
    """What a model returns, on the CPU; of pairs, the first.

    Probabilities are in double precision where there are logits: in single precision, many would
    tie at 1 under a small temperature.
    """
    logits = logits_of(model)
    if logits is not None and getattr(model, "mode", None) is None:
        return torch.sigmoid(logits(x).cpu().double())
    output = model(x)
    first: Tensor = output[0] if isinstance(output, tuple | list) else output
    return first.cpu()


def interests_with_mask(model: nn.Module, x: Any) -> Tensor:
    """The users' interests, each with whether it is their own: (B, K, D + 1), on the CPU."""
    own: Tensor = model.own_interests(x).cpu()  # type: ignore[operator]
    interests = prediction(model, x)
    return torch.cat([interests, own.unsqueeze(2).to(interests.dtype)], dim=2)


def temperature_of(model: nn.Module) -> float:
    """What divides a model's scores; 1 where it does not say."""
    return float(getattr(model, "temperature", 1.0))


def _labels(y: Tensor | None) -> Tensor:
    if y is None:
        raise ValueError("mode=0 needs labels: the loader must yield (x, y)")
    return y.reshape(-1)


def _one_a_row(output: Any, labels: Tensor) -> Tensor:
    if not isinstance(output, Tensor) or output.numel() != len(labels):
        raise ValueError(
            f"mode=0 trains models that return one probability a row, not {_form(output)}: set "
            "mode=1 for pairs of scores, mode=2 for scores of several candidates"
        )
    return output.reshape(-1)


def _candidates(output: Any, y: Tensor | None) -> tuple[Tensor, Tensor]:
    """The logits (B, C), and the column of the positive in each row."""
    if not isinstance(output, Tensor) or output.dim() != 2:
        raise ValueError(
            f"mode=2 trains models that return the scores of several candidates, (B, C), not "
            f"{_form(output)}: see the other modes of MatchTrainer"
        )
    if y is None:
        return output, torch.zeros(len(output), dtype=torch.long, device=output.device)
    return output, y.reshape(-1).long()


def pooled(pos: Tensor, neg: Tensor) -> Judged:
    """Positives, labelled 1, and negatives, labelled 0."""
    return torch.cat([torch.ones_like(pos), torch.zeros_like(neg)]), torch.cat([pos, neg])


def _form(output: Any) -> str:
    if isinstance(output, Tensor):
        return f"a tensor of shape {tuple(output.shape)}"
    return f"a {type(output).__name__} of {len(output)}" if hasattr(output, "__len__") else "that"
