"""TigerSeqDataset: which samples there are, and what a real tokenizer makes of them."""

import json
import logging
import random

import pytest
import torch
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors
from torch.utils.data import DataLoader
from transformers import PreTrainedTokenizerFast

from torch_rechub.utils.data import TigerSeqDataset
from warm_python import run_script

INTERS = {"u0": [0, 1, 2, 3, 4], "u1": [4, 3, 2], "u2": [1], "u3": [2, 0], "u4": [3, 3, 3, 3]}
ITEMS = {str(i): [f"<a_{i}>", f"<b_{i % 2}>"] for i in range(5)}
TEXT = {i: f"<a_{i}><b_{i % 2}>" for i in range(5)}


@pytest.fixture
def make():
    def make(mode="train", max_his_len=20, inters=INTERS, items=ITEMS, **kwargs):
        return TigerSeqDataset(inters, items, max_his_len, mode, **kwargs)

    return make


@pytest.fixture
def tokenizer():
    """Words in angle brackets, the end token after each text; no semantic id is known yet."""
    words = Tokenizer(models.WordLevel({"<pad>": 0, "</s>": 1, "<unk>": 2}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Split(Regex("<[^>]*>"), "isolated")
    words.post_processor = processors.TemplateProcessing("$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )


def samples(dataset):
    """Each as (history, next item), in numbers of items."""
    number = {text: i for i, text in TEXT.items()}

    def items(text):
        tokens = text.replace("><", "> <").split()
        return [number["".join(pair)] for pair in zip(tokens[::2], tokens[1::2])]

    return [(items(s["input_ids"]), *items(s["labels"])) for s in dataset]


def test_the_last_item_is_for_testing_the_one_before_for_validation_all_others_for_training(make):
    assert samples(make("train")) == [([0], 1), ([0, 1], 2), ([3], 3)]
    assert samples(make("valid")) == [([0, 1, 2], 3), ([4], 3), ([3, 3], 3)]
    assert samples(make("test")) == [
        ([0, 1, 2, 3], 4),
        ([4, 3], 2),
        ([2], 0),
        ([3, 3, 3], 3),
    ]


def test_histories_keep_their_last_items(make):
    assert samples(make("test", 2))[0] == ([2, 3], 4)
    assert samples(make("test", 0))[0] == ([0, 1, 2, 3], 4)


def test_tables_may_be_files(make, tmp_path):
    (tmp_path / "inters.json").write_text(json.dumps(INTERS))
    (tmp_path / "items.json").write_text(json.dumps(ITEMS))
    found = make(inters=tmp_path / "inters.json", items=str(tmp_path / "items.json"))
    assert list(found) == list(make())
    assert list(make(items={int(i): tokens for i, tokens in ITEMS.items()})) == list(make())


def test_samples_are_drawn_without_repetition_and_reproducibly(make):
    inters = {f"u{i}": [i % 5, (i + 1) % 5] for i in range(30)}
    everything = list(make("test", inters=inters))
    drawn = []
    for seed in (1, 1, 2):
        random.seed(seed)
        drawn.append(list(make("test", inters=inters, sample_num=20)))
    assert drawn[0] == drawn[1] != drawn[2]
    assert all(drawn[0].count(s) <= everything.count(s) for s in drawn[0])
    with pytest.raises(ValueError, match="sample_num=31, but there are 30 samples"):
        make("test", inters=inters, sample_num=31)


def test_tokens_and_items(make):
    dataset = make()
    assert dataset.get_new_tokens() == [
        "<a_0>",
        "<a_1>",
        "<a_2>",
        "<a_3>",
        "<a_4>",
        "<b_0>",
        "<b_1>",
    ]
    assert dataset.get_all_items() == set(TEXT.values())
    assert dataset.get_all_items(as_list=True) == list(TEXT.values())


def test_what_is_wrong_is_named(make):
    with pytest.raises(ValueError, match="'train', 'valid' or 'test', got 'dev'"):
        make("dev")
    with pytest.raises(KeyError, match="item 9 has no tokens"):
        make(inters={"u": [1, 9]})


def test_items_of_the_same_tokens_are_warned_of(make, caplog):
    with caplog.at_level(logging.WARNING, "torch_rechub"):
        make()
        assert caplog.text == ""
        make(items={**ITEMS, "7": ITEMS["0"], "8": ITEMS["0"]})
    assert "2 of 7 items have tokens that another item has already" in caplog.text


def test_a_batch_is_padded_and_its_padding_is_not_predicted(make, tokenizer):
    items = {**ITEMS, "1": ["<a_1>"]}  # ids of different lengths
    dataset = make("test", items=items, inters={"u": [0, 2, 1], "v": [1, 3]})
    tokenizer.add_tokens(dataset.get_new_tokens())
    (batch,) = DataLoader(dataset, 2, collate_fn=dataset.get_collate_fn(tokenizer))
    word = {i: token for token, i in tokenizer.get_vocab().items()}
    assert [[word[i] for i in row] for row in batch["input_ids"].tolist()] == [
        ["<a_0>", "<b_0>", "<a_2>", "<b_0>", "</s>"],
        ["<a_1>", "</s>", "<pad>", "<pad>", "<pad>"],
    ]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]]
    assert [[word.get(i, i) for i in row] for row in batch["labels"].tolist()] == [
        ["<a_1>", "</s>", -100],
        ["<a_3>", "<b_1>", "</s>"],
    ]


def test_long_histories_keep_their_end(make, tokenizer):
    dataset = make("test", 0, inters={"u": [0] * 400 + [3, 2]})
    tokenizer.add_tokens(dataset.get_new_tokens())
    tokenizer.model_max_length = 512
    batch = dataset.get_collate_fn(tokenizer)([dataset[0]])
    end = tokenizer.convert_tokens_to_ids(["<a_3>", "<b_1>", "</s>"])
    assert batch["input_ids"].shape == (1, 803)
    assert batch["input_ids"][0, -3:].tolist() == end


def test_only_ids_of_items_are_allowed_and_then_the_end(make, tokenizer):
    dataset = make()
    tokenizer.add_tokens(dataset.get_new_tokens())
    allowed = dataset.get_prefix_allowed_tokens_fn(tokenizer)

    def after(*tokens):
        ids = [0, *tokenizer.convert_tokens_to_ids(list(tokens))]
        return set(tokenizer.convert_ids_to_tokens(allowed(0, torch.tensor(ids))))

    assert after() == {f"<a_{i}>" for i in range(5)}
    for i in range(5):  # <a_0> goes with <b_0> alone, though there is a <b_1>
        assert after(f"<a_{i}>") == {f"<b_{i % 2}>"}
        assert after(f"<a_{i}>", f"<b_{i % 2}>") == {"</s>"}
    assert after("<a_0>", "<b_0>", "</s>") == {"</s>"}
    assert after("<b_0>") == {"</s>"}  # a dead end is left, not an error


def test_a_tokenizer_that_was_not_told_the_tokens_is_refused(make, tokenizer):
    with pytest.raises(ValueError, match=r"does not know '<a_0>': call tokenizer\.add_tokens"):
        make().get_prefix_allowed_tokens_fn(tokenizer)
    with pytest.raises(ValueError, match="does not know '<a_0>'"):
        make().get_items_fn(tokenizer)


def test_the_tokenizer_it_makes_knows_codes_and_nothing_else(make, tokenizer):
    dataset = make()
    made = dataset.make_tokenizer()
    assert len(made) == 3 + len(dataset.get_new_tokens())
    assert made.convert_ids_to_tokens([0, 1, 2]) == ["<pad>", "</s>", "<unk>"]
    tokenizer.add_tokens(dataset.get_new_tokens())
    collated = [dataset.get_collate_fn(one)(list(dataset)) for one in (made, tokenizer)]
    assert all(a.equal(b) for a, b in zip(*(batch.values() for batch in collated), strict=True))
    assert made("<a_9><b_1>x")["input_ids"] == [2, made.convert_tokens_to_ids("<b_1>"), 2, 1]


def test_items_are_read_out_of_tokens_by_the_names_they_were_given(make):
    items = {7: ["<a_0>", "<b_0>"], "x": ["<a_1>"], 9: ["<a_0>", "<b_1>", "<c_0>"]}
    dataset = make("test", inters={"u": [9, "x", 7, 7, 9]}, items=items)
    made = dataset.make_tokenizer()
    read = dataset.get_items_fn(made)
    batch = dataset.get_collate_fn(made)([dataset[0]])
    assert read(batch["input_ids"][0].tolist()) == [9, "x", 7, 7]
    assert read([0, *batch["labels"][0].tolist(), 0, 0]) == [9]
    begun, whole = made.convert_tokens_to_ids(["<a_0>", "<a_1>"])
    assert read([begun, 1, whole, 0, begun]) == ["x"]
    assert read([]) == []


WITHOUT = """
import sys
sys.modules["transformers"] = None
from torch_rechub.utils.data import TigerSeqDataset
try:
    TigerSeqDataset({}, {0: ["<a_0>"]}, 4).make_tokenizer()
except ImportError as error:
    assert "pip install 'rechub-core[generative]'" in str(error), error
else:
    raise AssertionError("it was made")
"""


@pytest.mark.slow
def test_without_transformers_a_tokenizer_says_what_to_install():
    done = run_script(["-c", WITHOUT])
    assert done.returncode == 0, done.stderr
