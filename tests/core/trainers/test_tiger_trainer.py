"""TigerTrainer: the loss it trains on, what its search finds, how it ranks, what it leaves."""

import math

import pytest
import torch
from torch.utils.data import DataLoader
from transformers import T5Config

from torch_rechub.models.generative import TIGERModel
from torch_rechub.trainers import TigerTrainer
from torch_rechub.utils.data import TigerSeqDataset

# ids of two codes and of three
IDS = {i: [f"<a_{i % 3}>", f"<b_{i // 3}>", *(["<c_0>"] if i > 6 else [])] for i in range(1, 10)}
USERS = {
    u: [1 + (u + k) % 9 for k in range(length)] for u, length in enumerate([6, 3, 5, 4, 2, 6, 5])
}
USERS[7] = [5, 4, 5]  # whose target is in the history


@pytest.fixture
def parts():
    return {mode: TigerSeqDataset(USERS, IDS, 4, mode) for mode in ("train", "valid", "test")}


@pytest.fixture
def tokenizer(parts):
    return parts["train"].make_tokenizer()


@pytest.fixture
def load(parts, tokenizer):
    def load(mode, batch_size=3, **kwargs):
        collate = parts[mode].get_collate_fn(tokenizer)
        return DataLoader(parts[mode], batch_size, collate_fn=collate, **kwargs)

    return load


@pytest.fixture
def make(parts, tokenizer, tmp_path):
    def make(**kwargs):
        torch.manual_seed(0)
        config = T5Config(
            vocab_size=len(tokenizer), d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2,
            dropout_rate=0.0, decoder_start_token_id=0,
        )  # fmt: skip
        settings = {
            "optimizer_params": {"lr": 0.01},
            "n_epoch": 2,
            "model_path": tmp_path / "model",
            "progress": False,
            **kwargs,
        }
        return TigerTrainer(TIGERModel(config), parts["train"], tokenizer, **settings)

    return make


@torch.no_grad()
def log_probabilities(trainer, tokenizer, sample, item):
    """Those of an item's tokens, that of the end among them, after the history of a sample."""
    history = tokenizer(sample["input_ids"], return_tensors="pt")["input_ids"]
    codes = [*tokenizer.convert_tokens_to_ids(IDS[item]), tokenizer.eos_token_id]
    logits = trainer.model.eval()(input_ids=history, labels=torch.tensor([codes])).logits[0]
    return [row.log_softmax(dim=0)[code].item() for row, code in zip(logits, codes, strict=True)]


def ranked(trainer, tokenizer, sample):
    """All items, by scoring each of them."""
    score = {i: sum(log_probabilities(trainer, tokenizer, sample, i)) for i in IDS}
    return sorted(IDS, key=lambda i: -score[i])


def histories_and_targets():
    return [(items[-5:-1], items[-1]) for items in USERS.values()]


def test_losses_are_means_over_tokens_whatever_the_batches(make, load, parts, tokenizer):
    trainer = make(optimizer_fn=torch.optim.SGD, optimizer_params={"lr": 0.0}, n_epoch=1)
    item_of = {"".join(tokens): item for item, tokens in IDS.items()}
    for mode, found in (
        ("train", trainer.train_one_epoch(load("train"))),
        ("valid", trainer.evaluate(load("valid"))),
        ("valid", trainer.evaluate(load("valid", batch_size=100))),
    ):
        terms = []
        for sample in parts[mode]:
            terms += log_probabilities(trainer, tokenizer, sample, item_of[sample["labels"]])
        assert found == pytest.approx(-sum(terms) / len(terms), rel=1e-5)


def test_with_a_beam_an_item_the_search_ranks_all_of_them(make, load, parts, tokenizer):
    trainer = make()
    trainer.fit(load("train"), load("valid"))
    expected = [ranked(trainer, tokenizer, sample) for sample in parts["test"]]
    for beams in (9, 50):
        assert trainer.recommend(load("test"), num_beams=beams) == expected
    found = trainer.recommend(load("test"), num_beams=4)
    assert [len(set(items)) for items in found] == [4] * len(USERS)


@pytest.mark.parametrize("exclude_seen", [False, True])
def test_targets_are_ranked_among_the_items_not_left_out(
    make, load, parts, tokenizer, exclude_seen
):
    trainer = make()
    trainer.fit(load("train"))
    ranks = []
    for sample, (history, target) in zip(parts["test"], histories_and_targets(), strict=True):
        left_out = set(history) if exclude_seen else set()
        items = [i for i in ranked(trainer, tokenizer, sample) if i not in left_out]
        ranks.append(items.index(target) + 1 if target in items else math.inf)
    found = trainer.evaluate_topk(load("test"), (1, 3), exclude_seen, num_beams=9)
    for k in (1, 3):
        gains = [1 / math.log2(r + 1) if r <= k else 0.0 for r in ranks]
        assert found[f"ndcg@{k}"] == pytest.approx(sum(gains) / len(ranks))
        assert found[f"hit@{k}"] == pytest.approx(sum(r <= k for r in ranks) / len(ranks))
        assert found[f"mrr@{k}"] == pytest.approx(sum(1 / r for r in ranks if r <= k) / len(ranks))


def test_items_that_are_left_out_get_beams_of_their_own(make, load, monkeypatch):
    trainer, beams = make(), []
    generate = trainer.model.generate
    monkeypatch.setattr(
        trainer.model,
        "generate",
        lambda **kwargs: beams.append(kwargs["num_beams"]) or generate(**kwargs),
    )
    trainer.evaluate_topk(load("test", batch_size=100), (2, 3))
    trainer.evaluate_topk(load("test", batch_size=100), (2, 3), exclude_seen=True)
    assert beams == [3, 3 + 4]  # histories have up to four items


def test_the_epoch_of_the_lowest_validation_loss_is_kept(make, load, tmp_path):
    trainer = make(n_epoch=12, optimizer_params={"lr": 0.1}, earlystop_patience=3)
    trainer.fit(load("train"), load("valid"))
    losses = [row["val/loss"] for row in trainer.history]
    assert len(losses) < 12 or losses[-1] > min(losses)
    assert trainer.evaluate(load("valid")) == pytest.approx(min(losses), rel=1e-5)
    saved = torch.load(tmp_path / "model" / "model.pth", weights_only=True)
    weights = trainer.model.state_dict()
    assert all(weights[name].equal(value) for name, value in saved.items())


def test_it_learns_what_comes_next(make, load):
    trainer = make(n_epoch=60)  # items go round in a circle
    trainer.fit(load("train"))
    assert trainer.evaluate_topk(load("train"), (1,))["hit@1"] > 0.9


def test_what_is_recorded(make, load, fake_logger):
    make(model_logger=fake_logger).fit(load("train"), load("valid"))
    assert fake_logger.order == ["log_hyperparams", *["log_metrics"] * 2, "finish"]
    names = {"train/loss", "learning_rate", "val/loss"}
    assert [set(metrics) for metrics in fake_logger.metrics] == [names, names]
    expected = {"model": "TIGERModel", "trainer": "TigerTrainer", "monitor": "val/loss"}
    assert {k: fake_logger.calls[0][1][k] for k in expected} == expected


def test_a_resumed_training_ends_in_the_same_weights(make, load, tmp_path, same_weights):
    def run(folder, n_epoch):
        trainer = make(n_epoch=n_epoch, model_path=tmp_path / folder)
        trainer.fit(load("train"), load("valid"), resume=True)
        return trainer

    unbroken = run("a", 4)
    run("b", 2)
    assert same_weights(run("b", 4).model.state_dict(), unbroken.model.state_dict())


def test_what_is_impossible_is_refused(make, load, parts):
    for wrong in (0, -1):
        with pytest.raises(ValueError, match=f"num_beams must be at least 1, got {wrong}"):
            make().recommend(load("test"), num_beams=wrong)
    other = TigerSeqDataset({}, {0: ["<z_0>"]}, 4).make_tokenizer()
    with pytest.raises(ValueError, match="the tokenizer does not know '<a_0>'"):
        TigerTrainer(make().model, parts["train"], other)


# Weights of users

WEIGHTS = {user: user * 5 % 4 for user in USERS}


def weighted(weights, mode, tokenizer, batch_size=100, users=USERS):
    data = TigerSeqDataset(users, IDS, 4, mode, weights=weights)
    return DataLoader(data, batch_size, collate_fn=data.get_collate_fn(tokenizer))


def test_users_of_weight_0_are_not_learned_from(make, tokenizer, same_weights):
    sgd = {"optimizer_fn": torch.optim.SGD, "optimizer_params": {"lr": 0.1}}
    kept = {user: items for user, items in USERS.items() if user % 3}
    weights = {user: float(user in kept) for user in USERS}
    padded = weighted(weights, "train", tokenizer)
    alone = weighted(None, "train", tokenizer, users=kept)
    found, expected = make(**sgd), make(**sgd)
    found.fit(padded)
    expected.fit(alone)
    for name, value in expected.model.state_dict().items():
        torch.testing.assert_close(found.model.state_dict()[name], value, rtol=1e-4, atol=1e-6)
    assert found.history[-1]["train/loss"] == pytest.approx(expected.history[-1]["train/loss"])


def test_a_user_of_weight_n_counts_as_n_users(make, tokenizer):
    sgd = {"optimizer_fn": torch.optim.SGD, "optimizer_params": {"lr": 0.1}}
    names = [(user, copy) for user, n in WEIGHTS.items() for copy in range(n)]
    repeated = {f"{user}, {copy}": USERS[user] for user, copy in names}
    found, expected = make(**sgd), make(**sgd)
    found.fit(weighted(WEIGHTS, "train", tokenizer))
    expected.fit(weighted(None, "train", tokenizer, users=repeated))
    for name, value in expected.model.state_dict().items():
        torch.testing.assert_close(found.model.state_dict()[name], value, rtol=1e-3, atol=1e-6)
    for mode in ("valid", "test"):
        several = weighted(WEIGHTS, mode, tokenizer, batch_size=3)
        whole = weighted(None, mode, tokenizer, users=repeated)
        assert found.evaluate(several) == pytest.approx(found.evaluate(whole), rel=1e-4)
        ranks = found.evaluate_topk(several, [1, 3], num_beams=9)
        assert ranks == pytest.approx(found.evaluate_topk(whole, [1, 3], num_beams=9), rel=1e-6)


def test_impossible_weights_of_users_are_refused():
    with pytest.raises(KeyError, match="weights has no weight of user 0"):
        TigerSeqDataset(USERS, IDS, 4, weights=dict.fromkeys(range(1, 8), 1.0))
    for weight, error in ((-1.0, ValueError), (math.nan, ValueError), ("a", TypeError)):
        with pytest.raises(error, match=r"weights\[2\] must be"):
            TigerSeqDataset(USERS, IDS, 4, weights={**WEIGHTS, 2: weight})
