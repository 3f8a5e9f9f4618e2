"""Bundles of RQ-VAE: embeddings of items in, their codes and semantic ids out."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from .._bounds import check_whole
from ..models.generative.rqvae import PREFIX
from ..models.generative.token_forms import forms_of
from .bundle import Bundle

Ids = npt.NDArray[np.int64]


class SemanticIdsBundle(Bundle):
    """A bundle of an RQ-VAE; see `save` of `trainers.rqvae_trainer.Trainer`.

    Example:
        >>> import tempfile
        >>> from torch_rechub.bundles import load_bundle
        >>> from torch_rechub.models.generative import RQVAEModel
        >>> from torch_rechub.trainers.rqvae_trainer import Trainer
        >>> model = RQVAEModel(8, num_emb_list=[4, 4], e_dim=4, layers=[])
        >>> folder = tempfile.mkdtemp()
        >>> bundle = load_bundle(Trainer(model, model_path=folder).save(folder + "/bundle"))
        >>> bundle.codes(torch.randn(3, 8)).shape
        (3, 2)
        >>> len(bundle.semantic_ids(torch.randn(2, 8), taken=[["<a_0>", "<b_1>"]]))
        2
    """

    def codes(self, embeddings: Any, *, batch_size: int = 1024, engine: str = "torch") -> Ids:
        """Return the codes of items, (N, M); items with similar embeddings may share them.

        Args:
            embeddings: (N, in_dim).
            batch_size: Number of rows per batch.
            engine: "torch", or "onnx": ONNX Runtime with the file of ``save(..., onnx=True)``.

        Raises:
            ValueError: The embeddings have another width, or are not finite.
        """
        check_whole(1, batch_size=batch_size)
        model: Any = self.model
        onnx = self.onnx_model(engine)
        with torch.inference_mode():
            parts = [
                model.get_indices(rows.to(self.device)).cpu()
                if onnx is None
                else onnx({"embeddings": rows}, output="output_2")
                for rows in _checked(embeddings, model.in_dim).split(batch_size)
            ]
        return np.asarray(torch.cat(parts).numpy())

    def semantic_ids(
        self,
        embeddings: Any,
        taken: Iterable[Sequence[str]] | Mapping[Any, Sequence[str]] = (),
        *,
        prefix: Sequence[str] = PREFIX,
    ) -> list[list[str]]:
        """Return semantic ids of new items, as tokens, that no other item has.

        An item whose codes are taken receives the nearest free code of the last level. Where ids
        have one more token, which numbers the items with the same codes, it receives the next
        number. Items are taken in their order.

        Args:
            embeddings: Those of the new items, (N, in_dim).
            taken: The semantic ids of other items: a list, or a dict by item, as
                `RQVAEModel.generate_semantic_ids` returns it.
            prefix: The formats of tokens; see `RQVAEModel.generate_semantic_ids`.

        Raises:
            ValueError: The embeddings have another width, a taken id is not of these formats, or
                all codes of the last level are taken: then all items need new ids.
        """
        model: Any = self.model
        x = _checked(embeddings, model.in_dim)
        sizes = model.num_emb_list
        lists = taken.values() if isinstance(taken, Mapping) else taken
        used = [tuple(tokens) for tokens in lists]
        length = _length(used, len(sizes))
        forms = forms_of(prefix, max(length, len(sizes)))
        numbers = [
            {form.format(code): code for code in range(size)}
            for form, size in zip(forms, sizes, strict=False)
        ]
        known = {_parsed(tokens, numbers, forms) for tokens in used}
        codes, nearest = self.codes(x), self._nearest(x)
        found = []
        for row in range(len(x)):
            code = _free(codes[row].tolist(), nearest[row].tolist(), known, length, len(sizes), row)
            known.add(code)
            found.append([form.format(c) for form, c in zip(forms, code, strict=False)])
        return found

    def _nearest(self, x: Tensor) -> Ids:
        """Return the codes of the last level, the nearest first, (N, K)."""
        model: Any = self.model
        with torch.inference_mode():
            x = x.to(self.device)
            codes, z = model.get_indices(x), model.encode(x)
            *levels, last = model.rq.vq_layers
            for level, c in zip(levels, codes.t(), strict=False):
                z = z - level.get_codebook_entry(c)
            return np.asarray(last.distances(z).argsort(dim=1, stable=True).cpu().numpy())


def _free(
    code: list[int], nearest: list[int], known: set[tuple[int, ...]], length: int, m: int, row: int
) -> tuple[int, ...]:
    """Return the codes of an item that no other has."""
    if length > m:
        same = [other[m] for other in known if list(other[:m]) == code]
        return (*code, max(same, default=-1) + 1)
    for last in [code[-1], *nearest]:
        if (found := (*code[:-1], last)) not in known:
            return found
    raise ValueError(
        f"all {len(nearest)} codes of the last level are taken by items like new item {row}: make "
        "the ids of all items anew, with generate_semantic_ids, and train TIGER on them"
    )


def _parsed(
    tokens: tuple[str, ...], numbers: list[dict[str, int]], forms: list[str]
) -> tuple[int, ...]:
    """Return the codes of tokens; the additional one is a number of any size."""
    found = []
    for i, token in enumerate(tokens):
        code = numbers[i].get(token) if i < len(numbers) else _number(token, forms[i])
        if code is None:
            raise ValueError(
                f"taken has {token!r} in place {i}, which is not of the form {forms[i]!r} with a "
                "code of this model"
            )
        found.append(code)
    return tuple(found)


def _number(token: str, form: str) -> int | None:
    before, after = form.format("\0").split("\0")
    middle = token[len(before) : len(token) - len(after)]
    right = token.startswith(before) and token.endswith(after) and middle.isdecimal()
    return int(middle) if right else None


def _length(used: list[tuple[str, ...]], m: int) -> int:
    lengths = {len(tokens) for tokens in used} or {m}
    if len(lengths) > 1 or not lengths <= {m, m + 1}:
        raise ValueError(
            f"taken has ids of {sorted(lengths)} tokens, but this model has {m} codes, and perhaps "
            "one number"
        )
    return lengths.pop()


def _checked(embeddings: Any, width: int) -> Tensor:
    x = embeddings if isinstance(embeddings, Tensor) else torch.tensor(np.asarray(embeddings))
    if x.dim() != 2 or x.shape[1] != width:
        raise ValueError(f"embeddings must have the shape (N, {width}), got {tuple(x.shape)}")
    x = x.float()
    if not x.isfinite().all():
        raise ValueError("embeddings hold values that are not finite")
    return x
