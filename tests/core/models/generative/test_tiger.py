"""TIGERModel on a small T5: its loss, padding, causality, and the search over items."""

import math

import pytest
import torch
from transformers import T5Config, T5ForConditionalGeneration

from torch_rechub.models.generative import TIGERModel
from torch_rechub.utils.data import TigerSeqDataset, Trie
from warm_python import run_script

V, END = 20, 1
ITEMS = [[2, 8], [2, 9], [3, 8], [4, 10], [4, 11], [5, 12]]


def make(**kwargs):
    config = T5Config(
        vocab_size=V, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2, dropout_rate=0.0,
        decoder_start_token_id=0, pad_token_id=0, eos_token_id=END, **kwargs,
    )  # fmt: skip
    return TIGERModel(config).eval()


@pytest.fixture
def model():
    return make()


def batch():
    x = torch.randint(2, V, (3, 6))
    x[1, 4:] = 0
    labels = torch.randint(2, V, (3, 3))
    labels[2, 2] = -100
    return x, labels


@pytest.mark.parametrize("temperature", [1.0, 0.3])
def test_the_loss_is_its_formula_over_the_tokens_that_count(model, temperature):
    model.set_hyper(temperature)
    x, labels = batch()
    output = model(input_ids=x, labels=labels)
    terms = []
    for b in range(3):
        for m in range(3):
            if labels[b, m] != -100:
                logits = [v / temperature for v in output.logits[b, m].tolist()]
                total = math.log(math.fsum(math.exp(v) for v in logits))
                terms.append(total - logits[int(labels[b, m])])
    assert len(terms) == 8
    assert output.loss.item() == pytest.approx(sum(terms) / 8, rel=1e-5)
    assert model.ranking_loss(output.logits, labels).item() == output.loss.item()


def test_without_a_temperature_it_is_t5(model):
    x, labels = batch()
    mask = (x != 0).long()
    expected = T5ForConditionalGeneration.forward(
        model, input_ids=x, attention_mask=mask, labels=labels
    )
    found = model(x, mask, labels)
    torch.testing.assert_close(found.logits, expected.logits)
    torch.testing.assert_close(found.loss, expected.loss)
    as_tuple = model(x, mask, labels, return_dict=False)
    assert isinstance(as_tuple, tuple)
    assert as_tuple[0].equal(found.loss)
    assert model(x, mask, decoder_input_ids=labels.clamp(min=0)).loss is None


def test_padding_of_a_history_says_nothing(model):
    x, labels = batch()
    padded = torch.nn.functional.pad(x, (0, 4))
    y = model(input_ids=x, labels=labels).logits
    torch.testing.assert_close(model(input_ids=padded, labels=labels).logits, y)
    mask = (padded != 0).long()
    torch.testing.assert_close(model(padded, mask, labels).logits, y)


def test_a_code_is_predicted_from_those_before_it(model):
    x, labels = batch()
    y = model(input_ids=x, labels=labels).logits
    for m in range(3):
        other = labels.clone()
        other[:, m:] = torch.randint(2, V, (3, 3 - m))
        torch.testing.assert_close(
            model(input_ids=x, labels=other).logits[:, : m + 1], y[:, : m + 1]
        )


def allowed(items=ITEMS):
    trie = Trie([[0, *item, END] for item in items])
    return lambda b, sentence: trie.get(sentence.tolist()) or [END]


def log_probability(model, history, item):
    logits = model(input_ids=history, labels=torch.tensor([[*item, END]])).logits[0]
    return sum(row.log_softmax(dim=0)[c].item() for row, c in zip(logits, [*item, END]))


@pytest.mark.parametrize("beams", [6, 10])
def test_the_search_finds_every_item_the_best_first(model, beams):
    history = torch.randint(2, V, (1, 8))
    free = model.generate(input_ids=history, max_new_tokens=3, num_beams=6, num_return_sequences=6)
    assert any(row[1:3].tolist() not in ITEMS for row in free)
    found = model.generate(
        input_ids=history, max_new_tokens=3, num_beams=beams, num_return_sequences=6,
        prefix_allowed_tokens_fn=allowed(), length_penalty=0.0,
    )  # fmt: skip
    assert found[:, 3].tolist() == [END] * 6
    # the search renormalizes nothing: an item's score is the sum of its codes' log-probabilities
    by_score = sorted(ITEMS, key=lambda item: -log_probability(model, history, item))
    assert found[:, 1:3].tolist() == by_score


def test_ids_of_different_lengths_and_one_item_alone(model):
    history = torch.randint(2, V, (2, 5))
    items = [[2], [3, 4, 5]]
    found = model.generate(
        input_ids=history, max_new_tokens=4, num_beams=2, num_return_sequences=2,
        prefix_allowed_tokens_fn=allowed(items),
    )  # fmt: skip
    ids = {tuple(t for t in row[1:].tolist() if t not in (0, END)) for row in found}
    assert ids == {(2,), (3, 4, 5)}
    greedy = model.generate(
        input_ids=history, max_new_tokens=6, prefix_allowed_tokens_fn=allowed([[7, 8]])
    )
    assert [row[1:4].tolist() for row in greedy] == [[7, 8, END]] * 2


def test_the_temperature_is_above_0(model):
    for wrong in (0, -1.0):
        with pytest.raises(ValueError, match="temperature must be above 0"):
            model.set_hyper(wrong)


def test_weights_are_saved_and_loaded_as_those_of_transformers(model, tmp_path):
    x, labels = batch()
    model.save_pretrained(tmp_path)
    again = TIGERModel.from_pretrained(tmp_path).eval()
    assert isinstance(again, TIGERModel)
    torch.testing.assert_close(again(x, labels=labels).logits, model(x, labels=labels).logits)


def test_it_learns_which_item_follows():
    # items go round in a circle; a history is two of them
    n, tokens = len(ITEMS), [f"t{i}" for i in range(V)]
    items = {str(i): [tokens[c] for c in item] for i, item in enumerate(ITEMS)}
    dataset = TigerSeqDataset(
        {i: [i, (i + 1) % n, (i + 2) % n] for i in range(n)}, items, 2, "test"
    )
    code = {token: i for i, token in enumerate(tokens)}

    def encode(text):
        return [code[f"t{t}"] for t in text.split("t")[1:]] + [END]

    x = torch.tensor([encode(s["input_ids"]) for s in dataset])
    labels = torch.tensor([encode(s["labels"]) for s in dataset])
    model = make().train()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(60):
        optimizer.zero_grad()
        model(input_ids=x, labels=labels).loss.backward()
        optimizer.step()
    found = model.eval().generate(
        input_ids=x, max_new_tokens=3, num_beams=3, prefix_allowed_tokens_fn=allowed()
    )
    assert found[:, 1:].equal(labels)


WITHOUT = """
import sys
sys.modules["transformers"] = None
from torch_rechub.models.generative import *
from torch_rechub.models.generative.tiger import TIGERModel as same
assert TIGERModel is same
HLLMModel, HSTUModel, RQVAEModel
for create in (lambda: TIGERModel(None), lambda: TIGERModel.from_pretrained("a folder")):
    try:
        create()
    except ImportError as error:
        assert "pip install 'rechub-core[generative]'" in str(error), error
    else:
        raise AssertionError("it was created")
"""


def test_without_transformers_creating_it_says_what_to_install():
    done = run_script(["-c", WITHOUT])
    assert done.returncode == 0, done.stderr


def test_transformers_is_imported_only_where_it_is_used():
    script = (
        "import sys, torch_rechub.models.generative as g, torch_rechub.utils.data\n"
        "g.HSTUModel\n"
        "assert 'transformers' not in sys.modules\n"
        "try: g.Nothing\n"
        "except AttributeError as error: assert 'Nothing' in str(error)"
    )
    done = run_script(["-c", script])
    assert done.returncode == 0, done.stderr
