"""Embeddings of items, such as text embeddings of a language model."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from .._files import read_tensors
from ..types import FilePath


def read_embeddings(path: FilePath) -> Tensor:
    """Read the rows of a file as float32 vectors, without executing code in the file.

    Args:
        path: An array saved by `numpy.save` (.npy), or a tensor saved by `torch.save` (.pt, .pth).

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file has another format, or does not hold a matrix of finite numbers.
        CheckpointError: A file of torch is damaged, or holds more than tensors and plain data.
    """
    kind = Path(path).suffix
    found: Any
    if kind == ".npy":
        try:
            found = torch.from_numpy(np.load(path, allow_pickle=False))
        except (ValueError, EOFError, TypeError) as error:
            raise ValueError(
                f"{path} is no array of numbers saved by numpy.save, or is damaged: {error}"
            ) from error
    elif kind in (".pt", ".pth"):
        found = read_tensors(path)
    else:
        raise ValueError(f"embeddings are read from .npy, .pt or .pth files, got {str(path)!r}")
    if not isinstance(found, Tensor) or found.dim() != 2:
        what = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise ValueError(f"{path} must hold a matrix (items, width), but holds {what}")
    vectors: Tensor = found.float()
    if not vectors.isfinite().all():
        row = int((~vectors.isfinite()).any(dim=1).nonzero()[0])
        raise ValueError(f"{path} holds NaN or infinity in row {row}: encode that item again")
    return vectors


class EmbDataset(Dataset[Tensor]):
    """A data set of item embeddings from a file, in the order of its rows.

    Args:
        data_path: A .npy, .pt or .pth file of a matrix (N, D).
        device: Device of the embeddings.

    Attributes:
        embeddings: The matrix as a NumPy array, float32.
        dim: Its width D.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file has another format, or does not hold a matrix of finite numbers.

    Example:
        >>> import tempfile
        >>> file = tempfile.mkdtemp() + "/items.npy"
        >>> np.save(file, np.zeros((9, 4)))
        >>> data = EmbDataset(file)
        >>> len(data), data.dim, data[0]
        (9, 4, tensor([0., 0., 0., 0.]))
    """

    def __init__(self, data_path: FilePath, device: str | torch.device = "cpu") -> None:
        self.data_path = data_path
        self._rows = read_embeddings(data_path).to(device)
        self.dim = self._rows.shape[1]

    @property
    def embeddings(self) -> npt.NDArray[np.float32]:
        """The matrix (N, D)."""
        rows: npt.NDArray[np.float32] = self._rows.cpu().numpy()
        return rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: Any) -> Tensor:
        """Return the embedding (D,) of a row, or those (n, D) of several rows."""
        return self._rows[index]
