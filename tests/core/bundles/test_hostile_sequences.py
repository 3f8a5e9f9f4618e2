"""Bundles of sequences and of codes that were edited, with sound checksums: each is refused."""

import json
import shutil

import pytest
import torch
from safetensors.torch import save_file
from transformers import T5Config

from torch_rechub.bundles import BundleError, load_bundle
from torch_rechub.bundles.document import digest_of
from torch_rechub.bundles.folder import files_in
from torch_rechub.data.preprocessing import Categorical, Preprocessor
from torch_rechub.models.generative import HSTUModel, TIGERModel
from torch_rechub.trainers import SeqTrainer, TigerTrainer
from torch_rechub.utils.data import TigerSeqDataset

ITEMS = list("pqrs")


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """The folders of bundles of an untrained HSTU and an untrained TIGER."""
    folder = tmp_path_factory.mktemp("sound")
    preprocessor = Preprocessor([Categorical("item")]).fit({"item": ITEMS})
    model = HSTUModel(6, d_model=4, n_heads=1, n_layers=1, dqk=2, dv=2, max_seq_len=3)
    trainer = SeqTrainer(model, model_path=folder)
    trainer.save(folder / "next_item", preprocessor=preprocessor, item="item")
    ids = {item: [f"<a_{i % 2}>", f"<b_{i // 2}>"] for i, item in enumerate(ITEMS)}
    data = TigerSeqDataset({"u": ITEMS}, ids, 20)
    tokenizer = data.make_tokenizer()
    config = T5Config(
        vocab_size=len(tokenizer), d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2,
        decoder_start_token_id=0,
    )  # fmt: skip
    TigerTrainer(TIGERModel(config), data, tokenizer, model_path=folder).save(folder / "generative")
    return folder


@pytest.fixture
def next_item(sound, tmp_path):
    return shutil.copytree(sound / "next_item", tmp_path / "bundle")


@pytest.fixture
def generative(sound, tmp_path):
    return shutil.copytree(sound / "generative", tmp_path / "codes")


def edited(folder, change):
    """Change the settings of parts, and list the files as they are, with sound checksums."""
    content = json.loads((folder / "bundle.json").read_text())
    del content["digest"]
    change(content["parts"])
    content["files"] = files_in(folder)
    (folder / "bundle.json").write_text(json.dumps({**content, "digest": digest_of(content)}))
    return folder


def put(name, value):
    """A change of one setting, of a path such as "sequences.length"."""

    def change(parts):
        *path, last = name.split(".")
        for step in path:
            parts = parts[step]
        parts[last] = value

    return change


def test_unchanged_copies_load(next_item, generative):
    for folder in (next_item, generative):
        load_bundle(edited(folder, lambda parts: None))


@pytest.mark.parametrize(
    "change",
    [
        lambda parts: parts.pop("sequences"),
        lambda parts: parts.pop("items"),
        put("other", {}),
        put("sequences", {}),
        put("sequences.length", 0),
        put("sequences.length", "long"),
        put("sequences.reference", "first"),
        put("sequences.histories", {"column": "item"}),
        put("sequences.histories.item", 7),
        put("sequences.histories.time_unit", "weeks"),
        put("items.item", "price"),
        put("items.item", None),
    ],
)
def test_edited_parts_of_a_next_item_model(next_item, change):
    with pytest.raises(BundleError):
        load_bundle(edited(next_item, change))


@pytest.mark.parametrize(
    "change",
    [
        lambda parts: parts.pop("codes"),
        put("codes", {}),
        put("codes.length", -1),
        put("codes.end", "</s>"),
        put("codes.before", 3),
        put("codes.after", ["</s>"]),
        put("codes.numbers", ["<a_0>"]),
        put("codes.numbers", {"<a_0>": 1.5}),
        put("codes.end", 10**9),
        put("codes.numbers", {"<a_0>": 10**9}),
    ],
)
def test_edited_parts_of_tiger(generative, change):
    with pytest.raises(BundleError):
        load_bundle(edited(generative, change))


@pytest.mark.parametrize(
    "codes",
    [torch.ones(3, 2), torch.ones(4, 2, dtype=torch.float32), torch.full((4, 2), 99)],
    ids=["fewer items", "floats", "beyond the vocabulary"],
)
def test_codes_of_other_items(generative, codes):
    codes = codes if codes.dtype.is_floating_point and len(codes) == 4 else codes.long()
    save_file({"codes": codes}, generative / "items" / "codes.safetensors")
    with pytest.raises(BundleError):
        load_bundle(edited(generative, lambda parts: None))


def test_items_beyond_the_vocabulary_of_the_model(next_item, tmp_path):
    """The preprocessor of other data has ids that the model would look up beyond its table."""
    other = Preprocessor([Categorical("item")]).fit({"item": [*ITEMS, *range(50)]})
    for file in (next_item / "preprocessor").iterdir():
        file.unlink()
    (next_item / "preprocessor").rmdir()
    other.save(next_item / "preprocessor")
    save = Preprocessor([Categorical("item")]).fit({"item": range(50)})
    model = HSTUModel(60, d_model=4, n_heads=1, n_layers=1, dqk=2, dv=2, max_seq_len=3)
    trainer = SeqTrainer(model, model_path=tmp_path / "model")
    larger = trainer.save(tmp_path / "larger", preprocessor=save, item="item")
    (larger / "items" / "items.arrow").replace(next_item / "items" / "items.arrow")
    with pytest.raises(BundleError, match="and the model 6 tokens"):
        load_bundle(edited(next_item, lambda parts: None))
