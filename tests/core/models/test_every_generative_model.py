"""The properties of every generative model. Add a new model as a row of the table."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader
from transformers import T5Config

from torch_rechub.models import generative
from torch_rechub.models.generative import HLLMModel, HSTUModel, RQVAEModel, TIGERModel
from torch_rechub.testing import ModelContract
from torch_rechub.trainers import SeqTrainer, TigerTrainer
from torch_rechub.trainers.rqvae_trainer import Trainer as RQVAETrainer
from torch_rechub.utils.data import SequenceDataGenerator, TigerSeqDataset

V, L, D = 12, 5, 8


def hstu():
    return HSTUModel(V, d_model=D, n_heads=2, n_layers=2, dqk=4, dv=4, max_seq_len=8, dropout=0.1)


def hllm():
    return HLLMModel(torch.randn(V, D), V, d_model=D, n_heads=2, n_layers=2, max_seq_len=8)


def rqvae():
    return RQVAEModel(6, [4, 4], e_dim=3, layers=[8], dropout_prob=0.1)


def tiger():
    config = T5Config(
        vocab_size=V, d_model=D, d_kv=4, d_ff=16, num_layers=2, num_heads=2,
        decoder_start_token_id=0, pad_token_id=0, eos_token_id=1,
    )  # fmt: skip
    return TIGERModel(config)


def events(n, length=L):
    """Tokens and times."""
    times = torch.randint(0, 9000, (n, length)).sort(dim=1, descending=True).values
    return torch.randint(2, V, (n, length)), times


def vectors(n):
    return (torch.randn(n, 6),)


def histories_and_items(n, length=L):
    return torch.randint(2, V, (n, length)), torch.randint(2, V, (n, 3))


def logits_of_events(model, tokens, times):
    return model(tokens, times)


def reconstruction(model, x):
    return model(x)[0]


def logits_of_codes(model, history, item):
    return model(input_ids=history, labels=item).logits


def next_event_loss(model, tokens, times):
    return F.cross_entropy(model(tokens, times).flatten(0, 1), tokens.roll(-1, 1).flatten())


def rqvae_loss(model, x):
    out, quant_loss, _ = model(x)
    return model.compute_loss(out, quant_loss, x)[0]


def tiger_loss(model, history, item):
    return model(input_ids=history, labels=item).loss


def learns_next_item(model, **where):
    """Tokens count up; the accuracy."""
    start = torch.arange(200).unsqueeze(1)
    tokens = (start + torch.arange(L + 1)) % (V - 1) + 1
    times = torch.zeros(200, L, dtype=torch.int64)
    data = SequenceDataGenerator(tokens[:, :L], times, tokens[:, L], times)
    train, val, test = data.generate_dataloader(20, split_ratio=(0.6, 0.2, 0.2))
    trainer = SeqTrainer(
        model, optimizer_params={"lr": 0.02}, progress=False, **{"n_epoch": 8, **where}
    )
    trainer.fit(train, val)
    return trainer.evaluate(test)[1]


def learns_kinds(model, **where):
    """Four kinds of vectors, far apart; the share of the variance that is reconstructed."""
    x = (torch.randn(4, 6) * 3).repeat(30, 1) + 0.05 * torch.randn(120, 6)
    trainer = RQVAETrainer(
        model, optimizer_params={"lr": 0.02}, progress=False, **{"n_epoch": 60, **where}
    )
    trainer.fit(DataLoader(x, 40, shuffle=True))
    model.eval().cpu()
    return 1 - ((model(x)[0] - x).square().mean() / x.var()).item()


def learns_next_id(model, **where):
    """Users take one item again and again; the share of them for whom it ranks first."""
    ids = {item: [f"<a_{item % 2}>", f"<b_{item // 2}>"] for item in range(6)}
    users = {user: [user % 6] * L for user in range(54)}
    parts = [TigerSeqDataset(users, ids, L, mode) for mode in ("train", "valid", "test")]
    tokenizer = parts[0].make_tokenizer()
    collate = parts[0].get_collate_fn(tokenizer)
    train, val, test = (DataLoader(part, 9, collate_fn=collate) for part in parts)
    trainer = TigerTrainer(
        model,
        parts[0],
        tokenizer,
        optimizer_params={"lr": 0.01},
        progress=False,
        **{"n_epoch": 20, **where},
    )
    trainer.fit(train, val)
    return trainer.evaluate_topk(test, topKs=[1])["hit@1"]


@dataclass(frozen=True)
class Row:
    """How a model is made, called, trained, and what it learns, more than 0.9 of it.

    `sequential` outputs are those of steps: of the inputs themselves, or of what is generated.
    """

    make: Callable[[], Any]
    inputs: Callable[..., tuple[torch.Tensor, ...]]
    outputs: Callable[..., torch.Tensor]
    shape: Callable[[int], tuple[int, ...]]
    loss: Callable[..., torch.Tensor]
    learn: Callable[..., float]
    sequential: bool = True


TABLE = {
    "HLLMModel": Row(
        hllm, events, logits_of_events, lambda n: (n, L, V), next_event_loss, learns_next_item
    ),
    "HSTUModel": Row(
        hstu, events, logits_of_events, lambda n: (n, L, V), next_event_loss, learns_next_item
    ),
    "RQVAEModel": Row(
        rqvae, vectors, reconstruction, lambda n: (n, 6), rqvae_loss, learns_kinds, False
    ),
    "TIGERModel": Row(
        tiger, histories_and_items, logits_of_codes, lambda n: (n, 3, V), tiger_loss, learns_next_id
    ),
}
SEQUENTIAL = [name for name, row in TABLE.items() if row.sequential]
EVERY = pytest.mark.parametrize("name", TABLE)
EVERY_SEQUENTIAL = pytest.mark.parametrize("name", SEQUENTIAL)


def test_every_exported_model_has_a_row():
    assert sorted(TABLE) == sorted(generative.__all__)
    assert all(type(row.make()).__name__ == name for name, row in TABLE.items())


class TestEveryGenerativeModel(ModelContract):
    @pytest.fixture(autouse=True, params=TABLE)
    def row(self, request):
        self.table_row = TABLE[request.param]
        # transformers reads the values of its masks
        self.reads_values = request.param == "TIGERModel"

    def make_model(self):
        return self.table_row.make()

    def make_inputs(self, n):
        return self.table_row.inputs(n)

    def call(self, model, inputs):
        return self.table_row.outputs(model, *inputs)

    def loss(self, model, inputs):
        return self.table_row.loss(model, *inputs)

    def output_shapes(self, n):
        return [self.table_row.shape(n)]

    def ids(self, inputs):
        return [0] if self.table_row.sequential else []


@EVERY_SEQUENTIAL
@pytest.mark.parametrize("left", [0, 2])
def test_padding_says_nothing(name, left):
    row = TABLE[name]
    model, (tokens, others) = row.make().eval(), row.inputs(4)
    tokens[0, :2] = 0
    found = row.outputs(model, tokens, others)
    padded = F.pad(tokens, (left, 2 - left))
    if name == "TIGERModel":  # the padding of what is read; what is written has none
        torch.testing.assert_close(row.outputs(model, padded, others), found)
        return
    times = F.pad(others, (left, 2 - left), value=77)
    again = row.outputs(model, padded, times)[:, left : left + L]
    torch.testing.assert_close(again[tokens != 0], found[tokens != 0])


@EVERY_SEQUENTIAL
def test_a_step_never_sees_a_later_one(name):
    row = TABLE[name]
    model, (tokens, others) = row.make().eval(), row.inputs(4)
    found = row.outputs(model, tokens, others)
    written = others if name == "TIGERModel" else tokens
    for t in range(1, written.shape[1]):
        later = written.clone()
        later[:, t:] = torch.randint(2, V, later[:, t:].shape)
        given = (tokens, later) if name == "TIGERModel" else (later, others)
        # the code at t is predicted from those before it, the item after t from those up to it
        seen = t + 1 if name == "TIGERModel" else t
        torch.testing.assert_close(row.outputs(model, *given)[:, :seen], found[:, :seen])


@EVERY
def test_it_learns_a_planted_signal(name, tmp_path, device):
    row = TABLE[name]
    assert row.learn(row.make(), model_path=tmp_path, device=device) > 0.9


@EVERY
def test_a_seed_trains_the_same_model(name, seed_decides, tmp_path):
    row = TABLE[name]

    def train():
        model = row.make()
        row.learn(model, model_path=tmp_path, n_epoch=2)
        return model

    seed_decides(train)


@EVERY
def test_it_computes_the_same_on_another_device(name, on_device, same_on_device):
    row = TABLE[name]
    model, inputs = row.make().eval(), row.inputs(3)
    found = row.outputs(on_device(model), *on_device(inputs))
    same_on_device(found, row.outputs(model, *inputs))
