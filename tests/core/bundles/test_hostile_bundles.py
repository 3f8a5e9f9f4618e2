"""Bundles that were damaged, edited or made up: each is refused, and nothing in them is run."""

import io
import json
import os
import pickle
import shutil
import struct
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from torch_rechub.basic.features import SequenceFeature
from torch_rechub.bundles import BundleError, load_bundle
from torch_rechub.bundles.document import digest_of
from torch_rechub.bundles.folder import files_in
from torch_rechub.data.preprocessing import Categorical, Numeric, Preprocessor
from torch_rechub.models.matching import DSSM
from torch_rechub.models.ranking import DeepFM
from torch_rechub.trainers import CTRTrainer, MatchTrainer

LOG = {
    "user": ["u", "v", "u", "w"],
    "item": ["a", "b", "c", "a"],
    "age": [1.0, 2.0, 3.0, 4.0],
    "click": [1, 0, 1, 0],
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The folders of a ranking bundle, and of a retrieval bundle with items."""
    folder = tmp_path_factory.mktemp("sound")
    columns = [Categorical("user", embed_dim=4), Categorical("item", embed_dim=4), Numeric("age")]
    preprocessor = Preprocessor(columns, targets=["click"]).fit(LOG)
    features = preprocessor.features()
    ranking = CTRTrainer(DeepFM(features, features[:2], {"dims": [4]}), model_path=folder)
    ranking.save(folder / "ranking", preprocessor=preprocessor)
    user = [SequenceFeature("hist_item", 5, 4, shared_with="item", padding_idx=0)]
    towers = DSSM(user, preprocessor.features("item"), {"dims": [4]}, {"dims": [4]})
    retrieval = MatchTrainer(towers, in_batch_neg=True, model_path=folder)
    retrieval.save(folder / "retrieval", preprocessor=preprocessor, item="item", length=3)
    return folder


@pytest.fixture
def ranking(saved, tmp_path):
    return shutil.copytree(saved / "ranking", tmp_path / "inner" / "bundle")


@pytest.fixture
def retrieval(saved, tmp_path):
    return shutil.copytree(saved / "retrieval", tmp_path / "other" / "bundle")


def document(folder):
    return json.loads((folder / "bundle.json").read_text())


def rewrite(folder, content):
    """Write a document with the digest of its content, as someone who knows the format would."""
    content = {name: value for name, value in content.items() if name != "digest"}
    content["digest"] = digest_of(content)
    (folder / "bundle.json").write_text(json.dumps(content))


def relist(folder, **changes):
    """List the files as they are now, with sound checksums."""
    content = document(folder)
    del content["digest"]
    rewrite(folder, {**content, **changes, "files": files_in(folder)})


class Mark:
    """Unpickling it writes a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, "w"))


def refused(folder, *messages):
    """The bundle is refused with the messages, and nothing was written in other places."""
    around = sorted(folder.parent.parent.rglob("*"))
    with pytest.raises(BundleError) as caught:
        load_bundle(folder)
    for message in messages:
        assert message in str(caught.value)
    assert sorted(folder.parent.parent.rglob("*")) == around


def test_sound_copies_load(ranking, retrieval):
    assert load_bundle(ranking).predict({"user": "u", "item": "a", "age": 1.0}).shape == (1,)
    assert load_bundle(retrieval).recommend([{"hist_item": ["a"]}], 1).shape == (1, 5)


def test_a_pickle_in_place_of_weights(ranking):
    (ranking / "weights.safetensors").write_bytes(pickle.dumps(Mark(ranking.parent / "run")))
    refused(ranking, "weights.safetensors", "not the file that was written")
    relist(ranking)
    refused(ranking, "weights.safetensors is no sound file of safetensors")


def test_a_file_of_torch_in_place_of_weights(ranking):
    torch.save({"weight": torch.ones(2)}, ranking / "weights.safetensors")
    relist(ranking)
    refused(ranking, "no sound file of safetensors")


def test_a_zip_in_place_of_weights(ranking):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("../../outside.txt", "x")
    (ranking / "weights.safetensors").write_bytes(stream.getvalue())
    relist(ranking)
    refused(ranking, "no sound file of safetensors")


@pytest.mark.parametrize("size", [2**63 - 1, 2**40, 10**9])
def test_a_huge_header_of_weights(ranking, size):
    (ranking / "weights.safetensors").write_bytes(struct.pack("<Q", size) + b"{}")
    relist(ranking)
    refused(ranking, "no sound file of safetensors")


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]},
        {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]},
        {"dtype": "F32", "shape": [3], "data_offsets": [0, 4]},
        {"dtype": "F99", "shape": [1], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]},
    ],
)
def test_tensors_beyond_their_file(ranking, entry):
    header = json.dumps({"weight": entry}).encode()
    content = struct.pack("<Q", len(header)) + header + bytes(4)
    (ranking / "weights.safetensors").write_bytes(content)
    relist(ranking)
    refused(ranking, "no sound file of safetensors")


def test_weights_of_another_model(ranking, retrieval):
    other = ranking.parent.parent / "strange.safetensors"
    save_file({"weight": torch.ones(2, 2)}, other)
    (ranking / "weights.safetensors").write_bytes(other.read_bytes())
    relist(ranking)
    refused(ranking)


def test_weights_of_another_shape_or_type(ranking):
    from safetensors.torch import load_file

    weights = load_file(ranking / "weights.safetensors")
    name = next(iter(weights))
    save_file({**weights, name: weights[name].double()}, ranking / "weights.safetensors")
    relist(ranking)
    refused(ranking)
    save_file({**weights, name: torch.ones(2, 2, 2)}, ranking / "weights.safetensors")
    relist(ranking)
    refused(ranking)


def test_weights_that_are_not_numbers(ranking):
    from safetensors.torch import load_file

    weights = load_file(ranking / "weights.safetensors")
    name = next(name for name, weight in weights.items() if weight.is_floating_point())
    weights[name] = torch.full_like(weights[name], torch.nan)
    save_file(weights, ranking / "weights.safetensors")
    relist(ranking)
    refused(ranking, "holds NaN in", name)


@pytest.mark.parametrize(
    "name",
    ["../outside", "/etc/x", "a/../../b", "..", "C:\\x", ".hidden", "a/b/c", "", "a\0b"],
)
def test_names_that_lead_outside(ranking, name):
    content = document(ranking)
    content["files"][name] = content["files"]["weights.safetensors"]
    rewrite(ranking, content)
    refused(ranking, "no name of a file of a bundle")


def test_links(ranking):
    outside = ranking.parent.parent / "secret"
    outside.write_text("secret")
    (ranking / "weights.safetensors").unlink()
    (ranking / "weights.safetensors").symlink_to(outside)
    refused(ranking, "weights.safetensors is a link")


def test_links_to_folders(ranking):
    outside = ranking.parent.parent / "folder"
    shutil.move(ranking / "preprocessor", outside)
    (ranking / "preprocessor").symlink_to(outside)
    refused(ranking, "preprocessor is a link")


def test_a_linked_document(ranking):
    outside = ranking.parent.parent / "bundle.json"
    shutil.move(ranking / "bundle.json", outside)
    (ranking / "bundle.json").symlink_to(outside)
    refused(ranking, "bundle.json is no plain file")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_pipe_is_not_waited_for(ranking):
    (ranking / "weights.safetensors").unlink()
    os.mkfifo(ranking / "weights.safetensors")
    refused(ranking, "weights.safetensors is no plain file")


def test_missing_and_additional_files(ranking):
    (ranking / "extra.py").write_text("raise SystemExit")
    refused(ranking, "extra.py is not listed in it")
    (ranking / "extra.py").unlink()
    (ranking / "weights.safetensors").unlink()
    refused(ranking, "weights.safetensors is missing")
    relist(ranking)
    refused(ranking, "it has no weights.safetensors")


def test_a_folder_without_a_document(ranking):
    (ranking / "bundle.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"it has no bundle\.json"):
        load_bundle(ranking)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "damaged, or no bundle"),
        (b"\xff\xfe\x00", "damaged, or no bundle"),
        (b"[1, 2]", "holds a list"),
        (b'{"format": "x", "format": "y"}', "the key 'format' occurs twice"),
        (b'{"format": NaN}', "NaN is no number"),
        (b'{"format": 1e999}', "1e999 is beyond the range of numbers"),
        (b'{"format": ' + b"9" * 5000 + b"}", "damaged, or no bundle"),
        (b"[" * 100_000, "damaged, or no bundle"),
        (b'{"a":' * 100_000, "damaged, or no bundle"),
        (b'{"format": "a zoo"}', "is of format 'a zoo'"),
        (pickle.dumps({"format": 1}), "damaged, or no bundle"),
    ],
)
def test_documents_that_are_none(ranking, text, message):
    (ranking / "bundle.json").write_bytes(text)
    refused(ranking, message)


def test_a_document_of_many_megabytes_is_not_read(ranking):
    with open(ranking / "bundle.json", "wb") as file:
        file.truncate(2**31)  # a sparse file
    refused(ranking, "2147483648 bytes, at most")


def test_an_edited_document(ranking):
    content = document(ranking)
    content["metrics"]["val/auc"] = 0.99
    (ranking / "bundle.json").write_text(json.dumps(content))
    refused(ranking, "was edited or is damaged")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 2}, "version 2 of the format, written by rechub-core 1.0.0"),
        ({"version": 0}, "version 0 of the format, written by rechub-core 1.0.0"),
        ({"version": True}, "version True"),
        ({"task": "cooking"}, "cooking"),
        ({"metrics": []}, "'metrics' is missing or not as written"),
        ({"more": {}}, "'more' is missing or not as written"),
        ({"files": {}}, "is not listed in it"),
        ({"model": {"class": "os.system", "arguments": {}}}, "os.system"),
        ({"model": {"class": "builtins.eval", "arguments": {"source": "1"}}}, "eval"),
        ({"model": {}}, ""),
        ({"task": "retrieval"}, ""),
        ({"task": "next_item"}, ""),
        ({"parts": {"items": {"item": "item"}}}, "'items', which no ranking bundle has"),
        ({"outputs": {"targets": [], "link": "eval"}}, "eval"),
        ({"task": "multi_task"}, "the outputs of a multi_task bundle are not as written"),
        (
            {"outputs": {"task_types": ["regression"], "links": ["os.system"]}},
            "outputs of a ranking",
        ),
        ({"aliases": {"other.weight": "no such weight"}}, "no such weight"),
        ({"aliases": {"other.weight": []}}, "'aliases' is missing or not as written"),
        ({"metrics": {"val/auc": "high"}}, "'metrics' is missing or not as written"),
        ({"metrics": {"val/auc": True}}, "'metrics' is missing or not as written"),
        ({"versions": {"torch": [1]}}, "'versions' is missing or not as written"),
        ({"outputs": {"targets": 5, "link": None}}, "targets of the bundle are not as written"),
        ({"outputs": {"targets": "abc", "link": None}}, "targets of the bundle are not as written"),
    ],
)
def test_documents_with_a_sound_digest_and_another_content(ranking, changes, message):
    rewrite(ranking, {**document(ranking), **changes})
    refused(ranking, message)


def test_a_document_with_an_entry_less(ranking):
    content = document(ranking)
    del content["outputs"]
    rewrite(ranking, content)
    refused(ranking, "'outputs' is missing")


def test_sizes_of_a_model_beyond_its_weights(ranking):
    text = (
        (ranking / "bundle.json").read_text().replace('"vocab_size": 5', '"vocab_size": 5000000000')
    )
    rewrite(ranking, json.loads(text))
    refused(ranking)


def test_settings_of_a_preprocessor_of_many_megabytes_are_not_read(ranking):
    content = document(ranking)
    with open(ranking / "preprocessor" / "preprocessor.json", "rb+") as file:
        file.truncate(2**31)  # a sparse file
    content["files"]["preprocessor/preprocessor.json"]["bytes"] = 2**31
    rewrite(ranking, content)
    refused(ranking, "preprocessor.json has 2147483648 bytes, at most")


def test_a_sound_preprocessor_of_another_model(ranking):
    log = {**LOG, "user": ["u", "v", "w", "x"]}
    columns = [Categorical("user"), Categorical("item"), Numeric("age")]
    shutil.rmtree(ranking / "preprocessor")
    Preprocessor(columns, targets=["click"]).fit(log).save(ranking / "preprocessor")
    relist(ranking)
    refused(ranking, "column 'user' has ids 0 to 5, the model 0 to 4")


def test_a_preprocessor_that_was_taken_away(ranking):
    shutil.rmtree(ranking / "preprocessor")
    refused(ranking, "preprocessor/preprocessor.json is missing")
    relist(ranking)
    refused(ranking, "its preprocessor is missing")


def test_tensors_that_overlap(ranking):
    entries = [{"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}] * 2
    header = json.dumps(dict(zip("ab", entries, strict=True))).encode()
    content = struct.pack("<Q", len(header)) + header + bytes(4)
    (ranking / "weights.safetensors").write_bytes(content)
    relist(ranking)
    refused(ranking, "no sound file of safetensors")


@pytest.mark.parametrize("file", ["preprocessor/preprocessor.json", "preprocessor/table-0.arrow"])
def test_edited_preprocessors(ranking, file):
    (ranking / file).write_bytes((ranking / file).read_bytes()[:-7] + b"1234567")
    refused(ranking, file.split("/")[1])
    relist(ranking)
    refused(ranking)


def test_tables_of_items_that_are_none(retrieval):
    sound = (retrieval / "items" / "items.arrow").read_bytes()
    for content in (b"", sound[: len(sound) // 2], pickle.dumps(Mark(retrieval.parent / "run"))):
        (retrieval / "items" / "items.arrow").write_bytes(content)
        relist(retrieval)
        refused(retrieval, "items.arrow")


def test_embeddings_of_other_items(retrieval):
    save_file({"embeddings": torch.ones(2, 4)}, retrieval / "items" / "embeddings.safetensors")
    relist(retrieval)
    refused(retrieval, "embeddings.safetensors")
    parts = document(retrieval)["parts"]
    relist(retrieval, parts={**parts, "embeddings": {"shape": [2, 4]}})
    refused(retrieval, "2", "3 items")


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("users", {"length": None}),
        ("users", {"length": -1}),
        ("users", {"length": 2**40}),
        ("users", {"histories": {"item": ""}}),
        ("users", {"histories": {}}),
        ("users", {"inputs": []}),
        ("users", {"inputs": 1}),
        ("users", {"inputs": ["hist_item", "x"]}),
        ("users", {"repeats": {"hist_item": "x"}}),
        ("users", {"size": "all"}),
        ("items", {"item": None}),
        ("items", {"item": "price"}),
        ("embeddings", {"shape": "big"}),
        ("embeddings", {"index": "best"}),
        ("embeddings", {"index": "faiss"}),
        ("embeddings", {"index": "faiss", "params": {"colour": "red"}}),
        ("embeddings", {"index": "faiss", "params": [1]}),
    ],
)
def test_settings_of_parts_that_are_none(retrieval, part, change):
    parts = document(retrieval)["parts"]
    relist(retrieval, parts={**parts, part: {**parts[part], **change}})
    refused(retrieval)


@pytest.mark.parametrize("part", ["users", "items", "embeddings"])
def test_settings_of_parts_that_are_empty(retrieval, part):
    relist(retrieval, parts={**document(retrieval)["parts"], part: {}})
    refused(retrieval)


def test_every_cut_of_a_file_is_refused(ranking):
    for file in sorted(ranking.rglob("*")):
        if file.is_file():
            content = file.read_bytes()
            for length in np.linspace(0, len(content) - 2, 5).astype(int):
                file.write_bytes(content[:length])
                refused(ranking, file.name)
            file.write_bytes(content)
    load_bundle(ranking)
