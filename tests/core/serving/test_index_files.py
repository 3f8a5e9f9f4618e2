"""Files of indexes: a damaged one is an error that names it, neither a crash nor an answer."""

import errno
import json
import logging

import numpy as np
import pytest
import torch

from torch_rechub.serving import builder_factory
from torch_rechub.serving.index_files import write_index
from torch_rechub.utils.match import Faiss

N, D = 200, 8
KINDS = [
    ("annoy", {"d": D}),
    ("annoy", {"d": D, "metric": "dot"}),
    ("faiss", {"index_type": "Flat"}),
    ("faiss", {"index_type": "HNSW", "m": 4}),
    ("faiss", {"index_type": "IVF", "nlists": 4}),
]
EACH = pytest.mark.parametrize(("name", "config"), KINDS, ids=str)


def cut(content):
    return content[: len(content) // 2]


def cut_a_little(content):
    return content[:-4]


def flipped(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def shuffled(content):
    return np.random.default_rng(0).bytes(len(content))


def longer(content):
    return content + bytes(100)


def empty(content):
    return b""


DAMAGES = [cut, cut_a_little, flipped, shuffled, longer, empty]


@pytest.fixture
def saved(tmp_path):
    def save(name, config):
        torch.manual_seed(0)
        file = tmp_path / "items.index"
        with builder_factory(name, **config).from_embeddings(torch.randn(N, D)) as index:
            index.save(file)
        return file

    return save


def nearest(name, config, file):
    with builder_factory(name, **config).from_index_file(file) as index:
        return index.query(torch.ones(D), 3)[0]


@EACH
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_refused(saved, name, config, damage):
    file = saved(name, config)
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(ValueError, match=r"items\.index is damaged: .*build the index again"):
        nearest(name, config, file)


@pytest.mark.parametrize(("name", "config"), [KINDS[0], KINDS[2]], ids=str)
def test_a_file_without_its_checksum_is_read_with_a_warning(saved, name, config, caplog):
    file = saved(name, config)
    expected = nearest(name, config, file)
    (file.parent / "items.index.json").unlink()
    with caplog.at_level(logging.WARNING, logger="torch_rechub"):
        assert torch.equal(nearest(name, config, file), expected)
    assert "no checksum in items.index.json" in caplog.text


@pytest.mark.parametrize(("name", "config"), [KINDS[0], KINDS[3]], ids=str)
@pytest.mark.parametrize("damage", [cut, shuffled, empty])
def test_without_its_checksum_damage_that_would_end_the_process_is_refused(
    saved, name, config, damage
):
    file = saved(name, config)
    file.write_bytes(damage(file.read_bytes()))
    (file.parent / "items.index.json").unlink()
    with pytest.raises(ValueError, match=rf"{file} is no index of .*, or is damaged"):
        nearest(name, config, file)


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"d": D + 1}, f"width {D}, not {D + 1}"),
        ({"d": D, "metric": "euclidean"}, "metric 'angular', not 'euclidean'"),
    ],
)
def test_another_width_or_metric_than_annoys_file_has_is_refused(saved, other, named):
    file = saved("annoy", {"d": D})
    with pytest.raises(ValueError, match=f"{file} holds an index of {named}"):
        nearest("annoy", other, file)


def test_embeddings_of_another_width_than_the_file_has_are_refused(saved):
    file = saved("faiss", {"index_type": "Flat"})
    with (
        builder_factory("faiss").from_index_file(file) as index,
        pytest.raises(ValueError, match=rf"shape \(N, {D}\), got \(1, {D + 1}\)"),
    ):
        index.query(torch.ones(D + 1), 1)


def test_indexes_of_scripts_verify_their_files_too(tmp_path):
    index = Faiss(dim=D)
    index.fit(torch.randn(N, D))
    index.save_index(tmp_path / "items.index")
    (tmp_path / "items.index").write_bytes(flipped((tmp_path / "items.index").read_bytes()))
    with pytest.raises(ValueError, match=r"items\.index is damaged"):
        Faiss(dim=D).load_index(tmp_path / "items.index")


@pytest.mark.parametrize("content", ["", "[1]", "{}", "{"])
def test_a_damaged_checksum_is_named(saved, content):
    file = saved("annoy", {"d": D})
    (file.parent / "items.index.json").write_text(content)
    with pytest.raises(ValueError, match=r"items\.index\.json is damaged: .* or remove it"):
        nearest("annoy", {"d": D}, file)


def test_a_full_disk_is_named_and_leaves_the_index_before_it(saved):
    file = saved("annoy", {"d": D})
    before = file.read_bytes()

    def fails(path):
        with open(path, "wb") as stream:
            stream.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match=rf"No space left on device: '{file}'"):
        write_index(file, fails)
    assert file.read_bytes() == before
    assert sorted(path.name for path in file.parent.iterdir()) == [file.name, f"{file.name}.json"]
    nearest("annoy", {"d": D}, file)


def test_the_checksum_is_that_of_sha256sum(saved):
    import hashlib

    file = saved("annoy", {"d": D})
    record = json.loads((file.parent / "items.index.json").read_text())
    assert record["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert (record["width"], record["metric"]) == (D, "angular")
