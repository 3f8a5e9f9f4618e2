"""EmbDataset reads back what NumPy and torch wrote, and nothing that runs."""

import numpy as np
import pytest
import torch

from torch_rechub.data.loader import TableLoader
from torch_rechub.trainers import CheckpointError
from torch_rechub.utils.data import EmbDataset


@pytest.mark.parametrize("kind", ["e.npy", "e.pt", "e.pth"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_rows_come_back_in_their_order(kind, dtype, tmp_path):
    rows = np.random.default_rng(0).normal(size=(7, 3)).astype(dtype)
    if kind == "e.npy":
        np.save(tmp_path / kind, rows)
    else:
        torch.save(torch.from_numpy(rows), tmp_path / kind)
    data = EmbDataset(tmp_path / kind)
    assert (len(data), data.dim) == (7, 3)
    assert data.embeddings.dtype == np.float32
    np.testing.assert_array_equal(data.embeddings, rows.astype(np.float32))
    assert [data[i].tolist() for i in range(7)] == rows.astype(np.float32).tolist()
    assert str(EmbDataset(str(tmp_path / kind), device="cpu")[0].device) == "cpu"


def test_a_batch_is_fetched_at_once(tmp_path):
    np.save(tmp_path / "e.npy", np.eye(5))
    batches = list(TableLoader(EmbDataset(tmp_path / "e.npy"), batch_size=2))
    assert torch.cat(batches).equal(torch.eye(5))
    assert [len(b) for b in batches] == [2, 2, 1]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"embeddings": torch.ones(2, 2)}, r"e.pt must hold a matrix .* but holds dict"),
        (torch.ones(3), r"must hold a matrix \(items, width\), but holds \(3,\)"),
        (torch.tensor([[1.0], [float("nan")]]), "NaN or infinity in row 1"),
    ],
)
def test_what_is_no_matrix_of_numbers_is_refused(value, message, tmp_path):
    torch.save(value, tmp_path / "e.pt")
    with pytest.raises(ValueError, match=message):
        EmbDataset(tmp_path / "e.pt")


def test_files_of_other_kinds_and_missing_ones_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"\.npy, \.pt or \.pth files, got .*e\.csv"):
        EmbDataset(tmp_path / "e.csv")
    for kind in ("e.npy", "e.pt"):
        with pytest.raises(FileNotFoundError, match=kind):
            EmbDataset(tmp_path / kind)


class Harmful:
    def __reduce__(self):
        return (exec, ("raise SystemExit('ran')",))


def test_no_code_in_a_file_is_run(tmp_path):
    np.save(tmp_path / "e.npy", np.array([Harmful()]), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle"):
        EmbDataset(tmp_path / "e.npy")
    torch.save(Harmful(), tmp_path / "e.pt")
    with pytest.raises(CheckpointError, match=r"e\.pt holds more .* never executed"):
        EmbDataset(tmp_path / "e.pt")


def test_a_damaged_file_is_named(tmp_path):
    np.save(tmp_path / "e.npy", np.ones((50, 4)))
    torch.save(torch.ones(50, 4), tmp_path / "e.pt")
    errors = {"e.npy": ValueError, "e.pt": CheckpointError}
    for name, error in errors.items():
        sound = (tmp_path / name).read_bytes()
        for content in (b"", b"hello", sound[:20], sound[:-40]):
            (tmp_path / name).write_bytes(content)
            with pytest.raises(error, match=f"{tmp_path}/{name} (is|holds|must)"):
                EmbDataset(tmp_path / name)
