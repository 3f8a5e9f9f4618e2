"""Histories become the sequences of training, and have the scores that the trainer ranks."""

import numpy as np
import pandas as pd
import pytest
import torch

from torch_rechub.bundles.token_sequences import SequenceForm, item_table, last_states, next_scores
from torch_rechub.data.interactions import Interactions
from torch_rechub.models.generative import HLLMModel, HSTUModel
from torch_rechub.objectives.next_item import Predictor, Sequences

V = 12


@pytest.fixture
def log():
    """A log in the order of users and times, and the number of rows of each user."""
    rng = np.random.default_rng(0)
    n_of = np.array([1, 2, 5, 9])
    user = np.repeat(np.arange(len(n_of)), n_of)
    moments = np.concatenate([np.sort(rng.integers(0, 10**6, n)) for n in n_of])
    return pd.DataFrame({"user": user, "item": rng.integers(2, V, len(user)), "time": moments})


@pytest.mark.parametrize("unit", ["s", "ms"])
@pytest.mark.parametrize("reference", ["last", "request"])
def test_sequences_are_those_of_training(log, reference, unit):
    """The last row of each user is the target, at whose time the request is."""
    split = Interactions(log, "user", "item", "time", time_unit=unit).leave_one_out()
    expected = split.test.samples(4).sequence_inputs(reference)
    is_last = log.user != log.user.shift(-1)
    past, users = log[~is_last], log.user[is_last].to_numpy()
    has_past = np.isin(users, past.user)
    start = np.cumsum([0, *past.groupby("user").size()])

    form = SequenceForm(4, reference)
    now = log.time[is_last].to_numpy()[has_past]
    tokens = form.tokens(past.item.to_numpy(), start)
    per_second = {"s": 1, "ms": 1000}[unit]
    seconds = form.seconds(past.time.to_numpy(), start, per_second, now)

    chosen = expected["seq_tokens"].any(axis=1)
    assert np.array_equal(tokens, expected["seq_tokens"][chosen])
    assert np.array_equal(seconds, expected["seq_time_diffs"][chosen])


def test_a_request_without_a_time_is_at_the_last_event():
    form, start = SequenceForm(3, "request"), np.array([0, 2, 2])
    found = form.seconds(np.array([10.0, 70.5]), start)
    assert found.tolist() == [[0, 60, 0], [0, 0, 0]]


def test_histories_without_events():
    form = SequenceForm(3)
    assert form.tokens(np.array([], dtype=int), np.array([0, 0])).tolist() == [[0, 0, 0]]
    assert form.seconds(None, np.array([0, 0])).tolist() == [[0, 0, 0]]


class Logits(torch.nn.Module):
    """A model without encoder and output layer of its own."""

    def __init__(self):
        super().__init__()
        self.table = torch.nn.Embedding(V, V)

    def forward(self, tokens, seconds):
        return self.table(tokens)


def _models():
    """Models with and without the parts that scoring uses."""
    torch.manual_seed(0)
    sizes = {"d_model": 8, "n_heads": 2, "n_layers": 1, "max_seq_len": 5}
    yield HSTUModel(V, **sizes, dqk=4, dv=4)
    yield HSTUModel(V, **sizes, dqk=4, dv=4, tie_embeddings=False, score_norm="l2", temperature=0.2)
    yield HLLMModel(torch.randn(V, 8), V, **sizes)
    yield Logits()


@pytest.mark.parametrize("model", list(_models()), ids=["hstu", "hstu-cosine", "hllm", "logits"])
@pytest.mark.parametrize("pad", ["left", "right"])
def test_scores_are_those_that_the_trainer_ranks(model, pad):
    tokens = torch.tensor([[3, 4, 5, 6, 7], [0, 0, 0, 8, 9], [0, 0, 0, 0, 2]])
    tokens = tokens if pad == "left" else tokens.flip(1)
    seconds = torch.randint(0, 9999, tokens.shape)
    model.eval()
    with torch.no_grad():
        given = Sequences(tokens, seconds, torch.tensor([2, 3, 4]))
        expected = Predictor(model, lambda part: part)(given, targets_only=True).logits
    found = next_scores(model, tokens, seconds)
    assert torch.equal(found[:, 1:], expected[:, 1:])


def test_the_table_of_a_tied_model_scores_its_states():
    model = next(_models()).eval()
    tokens, seconds = torch.tensor([[0, 4, 5]]), torch.tensor([[0, 60, 0]])
    h = last_states(model, tokens, seconds)
    expected = h @ item_table(model).T + model.output_bias
    torch.testing.assert_close(next_scores(model, tokens, seconds), expected)


def test_a_model_without_a_table_is_refused():
    with pytest.raises(ValueError, match="Logits has no table of items"):
        item_table(Logits())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((0,), "length must be at least 1"), ((5, "previous"), "reference must be one of 'last'")],
)
def test_wrong_forms_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        SequenceForm(*arguments)
