"""SeqTrainer with losses by drawn negatives: it learns, continues, and spares the catalog."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from core.training.batch_losses import count_of, loss_of
from torch_rechub.data.batch import Batch
from torch_rechub.models.generative import HSTUModel
from torch_rechub.trainers import SeqTrainer

from .test_seq_trainer import (  # noqa: F401 - fixtures
    Bigram,
    L,
    V,
    loader,
    make,
    make_hstu,
    markov,
    naive_evaluation,
    predictions,
    tables,
)

LOSSES = {
    "sampled_softmax": {"n_negatives": 8},
    "gbce": {"n_negatives": 8},
    "bpr_max": {"n_negatives": 8, "regularization": 0.01},
    "bce": {"n_negatives": 2},
}
each_loss = pytest.mark.parametrize(("loss_type", "params"), LOSSES.items(), ids=LOSSES.keys())


def planted():
    """Training and validation of tokens that mostly follow a cycle, padded on the left."""
    data = []
    for n, seed in ((300, 0), (100, 1)):
        tokens = markov(n, L, seed=seed)
        x, targets = tokens[:, :-1].clone(), tokens[:, -1]
        x[::2, :2] = 0
        data.append(loader(x, x, torch.zeros_like(x), targets, batch_size=20, shuffle=n == 300))
    return data


@each_loss
@pytest.mark.parametrize("in_terms", [True, False])
def test_it_learns_what_follows_what(make, make_hstu, loss_type, params, in_terms):  # noqa: F811
    model = make_hstu(d_model=16, dropout=0.1) if in_terms else Bigram()
    trainer = make(
        model, loss_type=loss_type, loss_params=params, optimizer_params={"lr": 0.02}, n_epoch=12
    )
    train, val = planted()
    history = trainer.fit(train, val)
    assert max(history["val_accuracy"]) > 0.8  # 1 / 11 by chance
    assert trainer.evaluate_topk(val, [1])["hit@1"] == max(history["val_accuracy"])


@each_loss
def test_a_batch_is_trained_on_the_mean_over_its_predictions(make, loss_type, params):  # noqa: F811
    trainer = make(Bigram(), loss_type=loss_type, loss_params={**params, "seed": 4})
    twin = make(Bigram(), loss_type=loss_type, loss_params={**params, "seed": 4})
    batch = next(iter(loader(*tables())))
    found = predictions(batch)
    logits = torch.stack([trainer.model(batch[0])[b, t] for b, t, _, _ in found])
    items = torch.tensor([item for _, _, item, _ in found])
    torch.testing.assert_close(loss_of(trainer, batch), twin.loss_fn(logits, items))
    assert count_of(trainer, batch) == len(found)


@each_loss
def test_a_sequence_of_weight_n_counts_as_n_sequences(make, make_hstu, loss_type, params):  # noqa: F811
    weights = torch.tensor([2, 0, 1, 3, 1, 0, 1, 2])
    *x, y = (c[:8] for c in tables())
    repeated = [c.repeat_interleave(weights, dim=0) for c in (*x, y)]
    params = {**params, "shared": True, "seed": 4}  # so that both have the same draws
    trainer, twin = (make(make_hstu(), loss_type=loss_type, loss_params=params) for _ in range(2))
    found = trainer.losses(Batch.unpacked((tuple(x), y, weights.float())).of_weight_above_0())
    expected = twin.losses(Batch.unpacked(repeated))
    torch.testing.assert_close(found.losses, expected.losses)
    assert found.count == expected.count


@each_loss
def test_validation_is_cross_entropy_over_all_items(make, loss_type, params):  # noqa: F811
    trainer = make(Bigram(), loss_type=loss_type, loss_params=params)
    data = loader(*tables())
    loss, accuracy = naive_evaluation(trainer.model, data)
    assert trainer.evaluate(data) == pytest.approx((loss, accuracy), rel=1e-4)
    assert trainer.evaluate(data) == trainer.evaluate(data)  # no draw decides


@each_loss
@pytest.mark.parametrize("seed", [None, 7])
def test_a_resumed_training_run_ends_in_the_same_weights(
    make,  # noqa: F811
    make_hstu,  # noqa: F811
    tmp_path,
    same_weights,
    loss_type,
    params,
    seed,
):
    def run(folder, n_epoch):
        torch.manual_seed(0)
        trainer = make(
            make_hstu(dropout=0.3),
            n_epoch=n_epoch,
            model_path=tmp_path / folder,
            loss_type=loss_type,
            loss_params={**params, "seed": seed},
        )
        data = loader(*tables(), shuffle=True), loader(*tables())
        return trainer, trainer.fit(*data, resume=True)

    unbroken, history = run("a", 4)
    run("b", 2)
    resumed, found = run("b", 4)
    assert found == history
    assert same_weights(resumed.model.state_dict(), unbroken.model.state_dict())


def test_a_seed_alone_decides_on_the_draw(make, make_hstu, same_weights):  # noqa: F811
    def weights(seed, others):
        torch.manual_seed(others)
        params = {"n_negatives": 4, "seed": seed}
        trainer = make(make_hstu(seed=1), loss_type="gbce", loss_params=params)
        torch.manual_seed(others)
        trainer.fit(loader(*tables()))
        return trainer.model.state_dict()

    first = weights(seed=1, others=0)
    assert same_weights(first, weights(seed=1, others=9))
    assert not same_weights(first, weights(seed=2, others=0))


class Sizes(TorchDispatchMode):
    """Notes the shape of the largest tensor that any operation makes."""

    largest = torch.Size()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor) and out.numel() > self.largest.numel():
            self.largest = out.shape
        return out


@each_loss
def test_training_makes_no_logits_of_all_items(make, loss_type, params):  # noqa: F811
    many, d = 5000, 4
    sizes = {"n_heads": 2, "n_layers": 1, "dqk": 4, "dv": 4, "max_seq_len": L}
    model = HSTUModel(many, d_model=d, **sizes)
    trainer = make(model, loss_type=loss_type, loss_params=params, embedding_update="dense")
    batch = tables(n=30)
    assert len(predictions(batch)) > 10 * d  # so that logits would be the largest tensor
    with Sizes() as seen:
        loss_of(trainer, batch).backward()
    assert seen.largest.numel() == many * d  # the table and its gradient
    full = make(HSTUModel(many, d_model=d, **sizes), loss_type="cross_entropy")
    with Sizes() as seen:
        full.evaluate([batch])
    assert seen.largest.numel() > 10 * many * d


@each_loss
def test_losses_in_bfloat16_are_finite_and_train(make, make_hstu, loss_type, params):  # noqa: F811
    trainer = make(
        make_hstu(d_model=16),
        loss_type=loss_type,
        loss_params=params,
        mixed_precision="bf16",
        optimizer_params={"lr": 0.02},
        n_epoch=4,
    )
    history = trainer.fit(*planted())
    assert history["train_loss"][-1] < history["train_loss"][0]


def test_what_a_loss_draws_is_recorded(make, fake_logger):  # noqa: F811
    params = {"n_negatives": 3, "frequency": torch.ones(V), "seed": 2}
    trainer = make(loss_type="sampled_softmax", loss_params=params, model_logger=fake_logger)
    trainer.fit(loader(*tables()))
    recorded = fake_logger.calls[0][1]
    assert recorded["loss_type"] == "sampled_softmax"
    assert recorded["loss_params"] == {
        "n_negatives": 3,
        "frequency": "of 12 tokens",
        "seed": 2,
    }


def test_another_argument_is_refused_before_training(make):  # noqa: F811
    with pytest.raises(TypeError, match="loss_type='gbce' takes no 'negatives' in loss_params"):
        make(loss_type="gbce", loss_params={"negatives": 3})
    with pytest.raises(ValueError, match="frequency must hold one number for each of the 12"):
        make(loss_type="bce", loss_params={"frequency": [1, 2]})
    assert isinstance(make(loss_type="bce"), SeqTrainer)


def test_a_sum_is_for_losses_by_hand(make):  # noqa: F811
    trainer = make(loss_type="gbce", loss_params={"n_negatives": 4, "reduction": "sum"})
    with pytest.raises(ValueError, match="reduction='sum' is for losses computed by hand"):
        trainer.fit(loader(*tables()))
