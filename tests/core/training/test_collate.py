"""A collate function of the user: the model gets what it makes of the rows."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader

from torch_rechub.basic.features import SequenceFeature, SparseFeature
from torch_rechub.models.generative import HSTUModel
from torch_rechub.models.matching import DSSM
from torch_rechub.models.multi_task import SharedBottom
from torch_rechub.models.ranking import WideDeep
from torch_rechub.trainers import CTRTrainer, MatchTrainer, MTLTrainer, SeqTrainer
from torch_rechub.utils.data import SeqDataset, TorchDataset

USER, ITEM = SparseFeature("user", 9, 4), SparseFeature("item", 9, 4)
HISTORY = SequenceFeature("history", 9, 4)
FEATURES = [USER, ITEM, HISTORY]
N = 12
COLUMNS = {
    "user": np.arange(N) % 9,
    "item": np.arange(N) % 5,
    "history": [list(range(1, 2 + i % 4)) for i in range(N)],
    "title": [f"title {i}" for i in range(N)],
}
CLICKS = np.arange(N) % 2
TASKS = ["classification", "regression"]

TRAINERS = {
    "ctr": lambda path: CTRTrainer(
        WideDeep(FEATURES, FEATURES, {"dims": [4]}), n_epoch=1, model_path=path
    ),
    "match": lambda path: MatchTrainer(
        DSSM([USER, HISTORY], [ITEM], {"dims": [4]}, {"dims": [4]}), n_epoch=1, model_path=path
    ),
    "mtl": lambda path: MTLTrainer(
        SharedBottom(FEATURES, TASKS, {"dims": [4]}, [{}, {}]), TASKS, n_epoch=1, model_path=path
    ),
}


def labels_of(name):
    return np.stack([CLICKS, CLICKS], axis=1) if name == "mtl" else CLICKS


def padded(rows):
    x = {n: torch.stack([row[n] for row, _ in rows]) for n in ("user", "item")}
    x["history"] = pad_sequence([torch.tensor(row["history"]) for row, _ in rows], True)
    return x, torch.stack([y for _, y in rows])


def with_titles(rows):
    x, y = padded(rows)
    return {"title": [row["title"] for row, _ in rows], **x}, y


@pytest.mark.parametrize("collate", [padded, with_titles])
@pytest.mark.parametrize("name", TRAINERS)
def test_every_trainer_takes_batches_padded_by_the_user(name, collate, tmp_path):
    dataset = TorchDataset(COLUMNS, labels_of(name))
    loader = DataLoader(dataset, batch_size=5, collate_fn=collate)
    trainer = TRAINERS[name](tmp_path)
    trainer.fit(loader, loader)
    longest = 4
    whole = (
        {
            **{n: torch.tensor(COLUMNS[n]) for n in ("user", "item")},
            "history": torch.tensor([h + [0] * (longest - len(h)) for h in COLUMNS["history"]]),
        },
        torch.tensor(labels_of(name)),
    )
    expected = trainer.predict(trainer.model, [whole])
    np.testing.assert_allclose(trainer.predict(trainer.model, loader), expected, rtol=1e-5)


def test_token_sequences_padded_by_the_user(tmp_path):
    tokens = COLUMNS["history"]
    dataset = SeqDataset(tokens, tokens, CLICKS + 1, tokens)

    def collate(rows):
        *sequences, targets = zip(*rows, strict=True)
        return *(pad_sequence(part, True) for part in sequences), torch.stack(targets)

    model = HSTUModel(9, d_model=8, n_heads=2, n_layers=1, dqk=4, dv=4, max_seq_len=4)
    trainer = SeqTrainer(model, n_epoch=1, model_path=tmp_path)
    loader = DataLoader(dataset, batch_size=5, collate_fn=collate)
    trainer.fit(loader, loader)
    assert len(trainer.history) == 1


def test_a_table_is_not_checked_where_the_function_makes_other_columns_of_it(tmp_path):
    # raw ids from 100, and names that the model does not know
    columns = {"u": COLUMNS["user"] + 100, "i": COLUMNS["item"] + 100, "h": COLUMNS["history"]}

    def collate(rows):
        ids = [
            ({"user": x["u"] - 100, "item": x["i"] - 100, "history": x["h"]}, y) for x, y in rows
        ]
        return padded(ids)

    trainer = TRAINERS["ctr"](tmp_path)
    loader = DataLoader(TorchDataset(columns, CLICKS), batch_size=5, collate_fn=collate)
    trainer.fit(loader, loader)
    assert len(trainer.history) == 1


def test_labels_that_the_function_makes_are_checked_batch_by_batch(tmp_path):
    def collate(rows):
        x, _ = padded(rows)
        return x, torch.full((len(rows),), 5.0)

    loader = DataLoader(TorchDataset(COLUMNS, CLICKS), batch_size=5, collate_fn=collate)
    with pytest.raises(ValueError, match="labels 0 and 1, but holds 5"):
        TRAINERS["ctr"](tmp_path).fit(loader)


def test_torchs_own_function_cannot_pad_and_the_column_is_named_before_training(tmp_path):
    trainer = TRAINERS["ctr"](tmp_path)
    loader = DataLoader(TorchDataset(COLUMNS, CLICKS), batch_size=5)
    with pytest.raises(ValueError, match=r"'history' holds rows of different lengths \(1 to 4\)"):
        trainer.fit(loader)
    regular = {**COLUMNS, "history": COLUMNS["user"].reshape(-1, 1)}  # and titles, as texts
    trainer.fit(DataLoader(TorchDataset(regular, CLICKS), batch_size=5))
    assert len(trainer.history) == 1
    with pytest.raises(TypeError, match="'y' holds text, not numbers"):
        trainer.fit(DataLoader(TorchDataset(regular, list("ab" * (N // 2))), batch_size=5))


@pytest.mark.parametrize(
    ("collate", "message"),
    [
        (lambda rows: ({"user": [1]}, torch.zeros(1)), "'user' of the batch is .*, not a tensor"),
        (lambda rows: ({"user": np.ones(1)}, torch.zeros(1)), "'user' .* is ndarray, not a tensor"),
        (lambda rows: ({"user": torch.ones(1)}, np.zeros(1)), "'y' .* is ndarray, not a tensor"),
    ],
    ids=["list", "array", "labels"],
)
def test_what_the_function_leaves_untensored_is_named(collate, message, tmp_path):
    trainer = CTRTrainer(WideDeep([USER], [USER], {"dims": [4]}), model_path=tmp_path)
    loader = DataLoader(TorchDataset(COLUMNS, CLICKS), batch_size=5, collate_fn=collate)
    with pytest.raises(TypeError, match=message):
        trainer.fit(loader)


class Titles(nn.Module):
    """A model of the user that reads texts."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, x):
        lengths = torch.tensor([float(len(title)) for title in x["title"]])
        return (self.weight * lengths).sigmoid()


def test_texts_reach_a_model_of_the_user(tmp_path):
    trainer = CTRTrainer(Titles(), n_epoch=1, model_path=tmp_path)
    trainer.fit(DataLoader(TorchDataset({"title": COLUMNS["title"]}, CLICKS), batch_size=5))
    assert trainer.model.weight.item() != 0
