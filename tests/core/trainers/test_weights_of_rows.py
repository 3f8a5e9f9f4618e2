"""Weights of rows in every trainer: rows of weight 0 do not exist, rows of weight n are n rows."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import metrics as sklearn_metrics
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from core.models import matching_table
from core.trainers.weighted_cases import (
    CASES,
    DSSM_COLUMNS,
    N,
    columns,
    labels,
    sequences,
    targets,
)
from torch_rechub.data.batch import Batch
from torch_rechub.data.loader import TableLoader
from torch_rechub.data.seq_dataset import SeqDataset
from torch_rechub.metrics import Metric
from torch_rechub.models.generative import RQVAEModel
from torch_rechub.trainers import MatchTrainer, rqvae_trainer
from torch_rechub.utils.data import (
    DataGenerator,
    MatchDataGenerator,
    SequenceDataGenerator,
    TorchDataset,
)

CTR = CASES["ctr"]
ZERO_OR_ONE = torch.arange(N) % 3 != 1
WHOLE = torch.arange(N) * 5 % 4
REAL = (torch.arange(N) * 7 % 5).float() / 3


# A loss of in-batch items, of drawn negatives or of masked items is not a sum over rows.
OF_ROWS = [name for name, case in CASES.items() if case.repeats]
OF_COLUMNS = [name for name, case in CASES.items() if isinstance(case.x, dict)]


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


def state(trainer):
    return {name: value.clone() for name, value in trainer.model.state_dict().items()}


def test_rows_of_weight_0_leave_the_weights_of_the_model_as_if_they_were_not_there(
    case, tmp_path, same_weights
):
    kept = ZERO_OR_ONE.nonzero().squeeze(1)
    expected = case.train(tmp_path, case.rows(kept))
    for weights in (ZERO_OR_ONE.float(), ZERO_OR_ONE.long(), ZERO_OR_ONE.double()):
        found = case.train(tmp_path, case.weighted(weights))
        assert same_weights(state(found), state(expected))
        assert [row["train/" + case.loss] for row in found.history] == [
            row["train/" + case.loss] for row in expected.history
        ]


@pytest.mark.parametrize("case", OF_ROWS, indirect=True)
def test_a_row_of_weight_n_counts_as_n_rows(case, tmp_path):
    expected = case.train(tmp_path, case.rows(torch.arange(N).repeat_interleave(WHOLE)), norm=False)
    found = case.train(tmp_path, case.weighted(WHOLE), norm=False)
    for name, value in expected.model.state_dict().items():
        torch.testing.assert_close(found.model.state_dict()[name], value, rtol=1e-4, atol=1e-6)
    for row, other in zip(found.history, expected.history, strict=True):
        assert row["train/" + case.loss] == pytest.approx(other["train/" + case.loss], rel=1e-4)


def test_only_the_ratio_of_weights_matters(case, tmp_path):
    one, other = (case.train(tmp_path, case.weighted(REAL * f)) for f in (1, 8))
    for name, value in one.model.state_dict().items():
        torch.testing.assert_close(other.model.state_dict()[name], value, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("case", OF_COLUMNS, indirect=True)
def test_a_column_of_weights_is_the_same_as_weights_of_the_loader(case, tmp_path, same_weights):
    x = case.x | {"w": REAL}
    batch = x if case.y is None else (x, case.y)
    found = case.train(tmp_path, batch, weight_column="w")
    assert same_weights(state(found), state(case.train(tmp_path, case.weighted(REAL))))
    assert found.hyperparams()["weight_column"] == "w"


def test_weights_that_are_none_are_refused_before_the_first_step(case, tmp_path):
    for weights, message in (
        (REAL - 1, "weights, the third part of a batch .* must be numbers from 0 .* in row 0"),
        (REAL[:-1], f"must hold one number a row, {N} of them"),
    ):
        with pytest.raises(ValueError, match=message):
            case.train(tmp_path, case.weighted(weights))


def test_an_epoch_without_a_weight_above_0_is_refused(case, tmp_path):
    with pytest.raises(ValueError, match=r"only rows of weight 0|there is no order to learn"):
        case.train(tmp_path, case.weighted(torch.zeros(N)))


# One by one


def test_the_loss_of_an_epoch_is_the_weighted_mean_of_its_rows(tmp_path):
    x, y = columns(), labels()
    parts = [slice(0, 5), slice(5, 7), slice(7, N)]
    batches = [({k: v[p] for k, v in x.items()}, y[p], REAL[p]) for p in parts]
    trainer = CTR.train(tmp_path, *batches, norm=False)
    for group in trainer.optimizer.param_groups:
        group["lr"] = 0.0
    loss = trainer.train_one_epoch(batches)
    trainer.model.train()
    rows = []
    for inputs, truth, w in batches:
        kept = w > 0
        p = trainer.model({k: v[kept] for k, v in inputs.items()}).tolist()
        rows += [
            (a, -math.log(q if t else 1 - q)) for a, q, t in zip(w[kept].tolist(), p, truth[kept])
        ]
    assert loss == pytest.approx(sum(a * b for a, b in rows) / sum(a for a, _ in rows), rel=1e-5)


def test_metrics_of_validation_are_weighted(tmp_path):
    data = (columns(), labels(), REAL)
    names = ("auc", "log_loss", "accuracy", "precision", "recall", "f1", "mse", "mae", "rmse")
    trainer = CTR.train(tmp_path, CTR.weighted(REAL), metrics=names)
    found = trainer.measure(trainer.model, [data])
    p, y = np.array(trainer.predict(trainer.model, [data])), labels().numpy()
    predicted, given = p >= 0.5, {"sample_weight": REAL.numpy()}
    expected = {
        "auc": sklearn_metrics.roc_auc_score(y, p, **given),
        "log_loss": sklearn_metrics.log_loss(y, p, **given),
        "accuracy": sklearn_metrics.accuracy_score(y, predicted, **given),
        "precision": sklearn_metrics.precision_score(y, predicted, **given),
        "recall": sklearn_metrics.recall_score(y, predicted, **given),
        "f1": sklearn_metrics.f1_score(y, predicted, **given),
        "mse": sklearn_metrics.mean_squared_error(y, p, **given),
        "mae": sklearn_metrics.mean_absolute_error(y, p, **given),
        "rmse": math.sqrt(sklearn_metrics.mean_squared_error(y, p, **given)),
    }
    assert found == pytest.approx(expected, rel=1e-5)
    assert trainer.evaluate(trainer.model, [data]) == pytest.approx(expected["auc"], rel=1e-5)


def test_predictions_need_no_weights(tmp_path):
    trainer = CTR.train(tmp_path, ({**columns(), "w": REAL}, labels()), weight_column="w")
    expected = trainer.predict(trainer.model, [columns()])
    for given in ({**columns(), "w": REAL - 9}, (columns(), labels()), (columns(), labels(), REAL)):
        assert trainer.predict(trainer.model, [given]) == expected


def test_a_table_is_checked_before_the_first_step(tmp_path):
    x = {**columns(), "w": torch.full((N,), -1.0)}
    (tmp_path / "model.pth").write_text("as it was")
    train, _, _ = DataGenerator(x, labels()).generate_dataloader(batch_size=4)
    with pytest.raises(
        ValueError, match=f"weight_column='w' must .* {N} other values, first -1 in row 0"
    ):
        CTR.trainer(CTR.model(), weight_column="w", model_path=tmp_path).fit(train)
    train, _, _ = DataGenerator(columns(), labels(), weights=x["w"] * 0).generate_dataloader()
    with pytest.raises(ValueError, match="weights is 0 in every row"):
        CTR.trainer(CTR.model(), model_path=tmp_path).fit(train)
    with pytest.raises(KeyError, match="weight_column='v' is not in the data"):
        CTR.trainer(CTR.model(), weight_column="v", model_path=tmp_path).fit(train)
    with pytest.raises(ValueError, match="weight_column='user' is a feature of the model"):
        CTR.trainer(CTR.model(), weight_column="user", model_path=tmp_path).fit(train)
    assert (tmp_path / "model.pth").read_text() == "as it was"


def test_a_batch_of_three_without_weights_is_refused_by_name(tmp_path):
    for third in (torch.ones(N, 2), torch.ones(N + 1), torch.full((N,), math.nan)):
        with pytest.raises(ValueError, match=r"the third part of a batch \(x, y, weights\)"):
            CTR.train(tmp_path, (columns(), labels(), third))
    with pytest.raises(
        TypeError, match=r"the third part of a batch \(x, y, weights\).*but is list"
    ):
        CTR.train(tmp_path, (columns(), labels(), ["ann"] * N))


def test_three_tensors_are_inputs_labels_and_weights(tmp_path):
    class Linear(nn.Linear):
        def forward(self, x):
            return super().forward(x).sigmoid()

    x, y = torch.rand(N, 3, generator=torch.Generator().manual_seed(0)), labels()
    trained = []
    for data in (TensorDataset(x, y, REAL), TensorDataset(x, y, REAL - 1)):
        torch.manual_seed(0)
        trainer = CTR.trainer(Linear(3, 1), n_epoch=1, model_path=tmp_path)
        trained.append((trainer, DataLoader(data, batch_size=N)))
    trainer, loader = trained[0]
    trainer.fit(loader, loader)
    p = np.array(trainer.predict(trainer.model, [x]))
    auc = sklearn_metrics.roc_auc_score(y, p, sample_weight=REAL)
    assert trainer.history[0]["val/auc"] == pytest.approx(auc)
    trainer, loader = trained[1]
    with pytest.raises(ValueError, match="weights must be numbers from 0"):
        trainer.fit(loader)


def test_a_metric_that_may_not_take_weights_is_refused_before_the_first_step(tmp_path):
    def bias(y, p, weights=None):
        return float(np.average(p - y, weights=weights))

    loader = [(columns(), labels(), REAL)]
    table, _, _ = DataGenerator(columns(), labels(), weights=REAL).generate_dataloader()
    unknown = CTR.trainer(CTR.model(), model_path=tmp_path, metrics=[Metric("bias", bias, "min")])
    with pytest.raises(ValueError, match="metric bias does not say whether it takes them: give"):
        unknown.fit(loader, table)
    assert not unknown.history
    with pytest.raises(ValueError, match="metric bias does not say whether"):
        unknown.evaluate(unknown.model, loader)
    y, w = labels().numpy(), REAL.numpy()
    p = np.array(unknown.predict(unknown.model, loader))
    for weighted, expected in (
        (True, np.average(p - y, weights=w)),
        ("weights", np.average(p - y, weights=w)),
        (False, np.mean((p - y)[w > 0])),
    ):
        metric = Metric("bias", bias, "min", weighted=weighted)
        trainer = CTR.trainer(unknown.model, model_path=tmp_path, metrics=[metric])
        assert trainer.evaluate(trainer.model, loader) == pytest.approx(expected, rel=1e-5)


def test_functions_of_scikit_learn_are_given_weights(tmp_path):
    trainer = CTR.trainer(CTR.model(), model_path=tmp_path)
    trainer.evaluate_fn = sklearn_metrics.brier_score_loss
    loader = [(columns(), labels(), REAL)]
    p = np.array(trainer.predict(trainer.model, loader))
    expected = np.average((p - labels().numpy()) ** 2, weights=REAL.numpy())
    assert trainer.evaluate(trainer.model, loader) == pytest.approx(expected, rel=1e-5)


def test_a_loss_without_rows_is_refused(tmp_path):
    trainer = CTR.trainer(CTR.model(), model_path=tmp_path)
    trainer.criterion = lambda p, y: (p - y).square().mean()
    with pytest.raises(ValueError, match="weights of rows need the loss of each row"):
        trainer.fit([(columns(), labels(), REAL)])


def test_batches_with_and_without_weights_are_not_pooled(tmp_path):
    trainer = CTR.trainer(CTR.model(), model_path=tmp_path)
    with pytest.raises(ValueError, match="some batches have weights and others have none"):
        trainer.evaluate(trainer.model, [(columns(), labels(), REAL), (columns(), labels())])


def test_batches_that_make_a_step_count_alike_whatever_their_weights(tmp_path):
    x, y = columns(), labels()
    halves = [({k: v[p] for k, v in x.items()}, y[p]) for p in (slice(0, 12), slice(12, N))]
    weighted = [(*halves[0], torch.full((12,), 2.0)), (*halves[1], torch.full((12,), 5.0))]
    found = CTR.train(tmp_path, *weighted, accumulate=2)
    expected = CTR.train(tmp_path, *halves, accumulate=2)
    for name, value in expected.model.state_dict().items():
        torch.testing.assert_close(found.model.state_dict()[name], value, rtol=1e-4, atol=1e-6)


def test_loaders_of_rows_carry_weights(tmp_path, same_weights):
    by_row = DataLoader(TorchDataset(columns(), labels(), weights=REAL), batch_size=N)
    one, other = (CTR.trainer(CTR.model(), model_path=tmp_path) for _ in range(2))
    other.model.load_state_dict(one.model.state_dict())
    one.fit(by_row)
    other.fit([(columns(), labels(), REAL)])
    assert same_weights(state(one), state(other))


# Retrieval


def same_item(x, i):
    """The rows whose item is that of row i."""
    return (x["item"] == x["item"][i]) & (x["kind"] == x["kind"][i])


def in_batch(folder, **given):
    torch.manual_seed(0)
    return MatchTrainer(matching_table.dssm(), 2, True, model_path=folder, **given)


@pytest.mark.parametrize("drawn", [None, N - 1])
def test_the_weight_of_a_row_weighs_its_loss_and_not_its_item_as_a_negative(tmp_path, drawn):
    trainer, x = in_batch(tmp_path, in_batch_neg_ratio=drawn), DSSM_COLUMNS
    batch = Batch.unpacked((x, None, REAL))
    user, item = trainer.model.user_tower(x), trainer.model.item_tower(x)
    scores = (user @ item.T / trainer.model.temperature).detach().double()
    total = 0.0
    for i, w in enumerate(REAL.tolist()):
        own = same_item(x, i)
        others = [float(scores[i, j].exp()) for j in range(N) if j == i or not own[j]]
        total += w * (math.log(sum(others)) - float(scores[i, i]))
    loss = trainer.losses(batch)
    assert loss.scalars()[0].item() == pytest.approx(total / REAL.sum().item(), rel=1e-4)
    assert loss.count == REAL.sum()


def test_positives_and_negatives_of_a_row_weigh_as_much_as_the_row(tmp_path):
    for case, pairs in (("pairs", True), ("lists", False)):
        trainer = CASES[case].train(tmp_path, CASES[case].weighted(WHOLE))
        output = trainer.model.eval()(CASES[case].x)
        own, others = output if pairs else (output[:, 0], output[:, 1:])
        scores, truth, weights = [], [], []
        for i, w in enumerate(WHOLE.tolist()):
            found = [own[i].item(), *others[i].reshape(-1).tolist()]
            scores += found
            truth += [1] + [0] * (len(found) - 1)
            weights += [w] * len(found)
        expected = sklearn_metrics.roc_auc_score(truth, scores, sample_weight=weights)
        found = trainer.evaluate(trainer.model, [CASES[case].weighted(WHOLE)])
        assert found == pytest.approx(expected)


def test_in_batch_scores_are_evaluated_by_the_weights_of_their_rows(tmp_path):
    trainer = in_batch(tmp_path, in_batch_neg_ratio=N - 1)
    x = DSSM_COLUMNS
    user, item = trainer.model.eval().user_tower(x), trainer.model.item_tower(x)
    scores = user @ item.T / trainer.model.temperature
    rows = [
        (scores[i, j].item(), float(i == j), w)
        for i, w in enumerate(WHOLE.tolist())
        for j in range(N)
        if i == j or not same_item(x, i)[j]
    ]
    values, truth, weights = zip(*rows, strict=True)
    expected = sklearn_metrics.roc_auc_score(truth, values, sample_weight=weights)
    found = trainer.evaluate(trainer.model, [(x, None, WHOLE)])
    assert found == pytest.approx(expected, rel=1e-6)


def test_points_are_evaluated_by_their_weights(tmp_path):
    for case in ("points", "in batch, labeled"):
        trainer = CASES[case].train(tmp_path, CASES[case].weighted(REAL))
        p = trainer.predict(trainer.model, [DSSM_COLUMNS])
        expected = sklearn_metrics.roc_auc_score(labels(), p, sample_weight=REAL)
        found = trainer.evaluate(trainer.model, [CASES[case].weighted(REAL)])
        assert found == pytest.approx(expected)


def test_a_model_whose_own_loss_takes_no_weights_is_refused(tmp_path):
    class Penalized(nn.Linear):
        def forward(self, x):
            return super().forward(x).sigmoid()

        def auxiliary_loss(self, x, predictions, y):
            return predictions.mean()

    trainer = CTR.trainer(Penalized(3, 1), n_epoch=1, model_path=tmp_path)
    x = torch.rand(N, 3)
    trainer.fit([(x, labels())])
    with pytest.raises(ValueError, match=r"Penalized.auxiliary_loss does not take: give it"):
        trainer.fit([(x, labels(), REAL)])


def test_a_generator_of_matching_data_has_weights(tmp_path):
    x = {name: column.numpy() for name, column in DSSM_COLUMNS.items()}
    data = MatchDataGenerator(x, labels().numpy(), weights=REAL.numpy())
    train, *_ = data.generate_dataloader(x, x, batch_size=N)
    _, y, w = next(iter(train))
    assert sorted(zip(y.tolist(), w.tolist())) == sorted(zip(labels().tolist(), REAL.tolist()))
    with pytest.raises(ValueError, match="weights without labels must be a column of x: add it"):
        MatchDataGenerator(x, weights=REAL)


# Sequences


def test_sequences_are_evaluated_by_their_weights(tmp_path):
    tokens, positions, times = sequences()
    data = SequenceDataGenerator(tokens, positions, targets(), times, weights=REAL)
    (loader,) = data.generate_dataloader(batch_size=7, shuffle=False)
    names = ("loss", "accuracy", "ndcg@3", "mrr@8")
    for case in ("sequences", "sequences, nce"):
        trainer = CASES[case].train(tmp_path, CASES[case].weighted(REAL), metrics=names)
        logits = trainer.model.eval()(tokens, times).detach().double()
        logits[..., 0] = -1e9
        temperature = 0.1 if case == "sequences, nce" else 1.0
        log_p = (logits / temperature).log_softmax(dim=-1)
        total, count, ranks = 0.0, 0.0, []
        for i, w in enumerate(REAL.tolist()):
            steps = [j for j in range(5) if tokens[i, j] != 0]
            for step, item in zip(steps, [*tokens[i, steps[1:]].tolist(), targets()[i].item()]):
                total -= w * log_p[i, step, item].item()
                count += w
            own = logits[i, -1, targets()[i]]
            ranks.append(1 + int((logits[i, -1, 1:] > own).sum()))
        ranks, w = np.array(ranks), REAL.numpy()
        expected = {
            "loss": total / count,
            "accuracy": np.average(ranks == 1, weights=w),
            "ndcg@3": np.average(np.where(ranks <= 3, 1 / np.log2(ranks + 1), 0), weights=w),
            "mrr@8": np.average(1 / ranks, weights=w),
        }
        assert trainer.measure(trainer.model, loader) == pytest.approx(expected, rel=1e-4)
        both = (expected["loss"], expected["accuracy"])
        assert trainer.evaluate(loader) == pytest.approx(both, rel=1e-4)


def test_a_data_set_of_sequences_has_weights():
    tokens, positions, times = sequences()
    data = SeqDataset(tokens, positions, targets(), times, weights=REAL.tolist())
    x, y, w = data[torch.tensor([3, 1])]
    assert torch.equal(x[0], tokens[[3, 1]])
    assert torch.equal(y, targets()[[3, 1]])
    assert w.tolist() == pytest.approx(REAL[[3, 1]].tolist())
    assert TableLoader(data, 4).width == 15
    with pytest.raises(ValueError, match="weights must hold one number a row, 24 of them"):
        SeqDataset(tokens, positions, targets(), times, weights=[1.0])


# RQ-VAE


def test_an_rq_vae_takes_no_weights(tmp_path):
    model = RQVAEModel(8, num_emb_list=[4, 4], e_dim=4, layers=[6])
    data = TensorDataset(torch.randn(N, 8), torch.zeros(N), REAL)
    for loader in (DataLoader(data, 8), [(torch.randn(N, 8), None, REAL)]):
        with pytest.raises(ValueError, match="an RQ-VAE takes no weights of items: leave out"):
            rqvae_trainer.Trainer(model, n_epoch=1, model_path=tmp_path).fit(loader)


# Data without a loader


def test_evaluate_takes_weights_with_a_table_or_with_tensors(tmp_path):
    trainer = CTR.trainer(CTR.model(), model_path=tmp_path)
    expected = trainer.evaluate(trainer.model, [(columns(), labels(), REAL)])
    assert trainer.evaluate(trainer.model, (columns(), labels(), REAL)) == pytest.approx(expected)
    frame = pd.DataFrame({name: column.numpy() for name, column in columns().items()})
    given = (frame, labels().numpy(), REAL.tolist())
    assert trainer.evaluate(trainer.model, given) == pytest.approx(expected)
    linear = CTR.trainer(torch.nn.Sequential(nn.Linear(3, 1), nn.Sigmoid()), model_path=tmp_path)
    x = torch.rand(N, 3, generator=torch.Generator().manual_seed(0))
    expected = sklearn_metrics.roc_auc_score(
        labels(), linear.predict(linear.model, x), sample_weight=REAL
    )
    found = linear.evaluate(linear.model, (x.numpy(), labels().numpy(), REAL.numpy()))
    assert found == pytest.approx(expected)


def test_a_table_of_sequences_may_have_a_column_of_weights(tmp_path):
    tokens, positions, times = sequences()
    trainer = CASES["sequences"].train(tmp_path, CASES["sequences"].weighted(REAL))
    table = {
        "seq_tokens": tokens,
        "seq_positions": positions,
        "seq_time_diffs": times,
        "targets": targets(),
        "weights": REAL,
    }
    expected = trainer.evaluate([((tokens, positions, times), targets(), REAL)])
    assert trainer.evaluate(table) == pytest.approx(expected)
    del table["weights"]
    assert trainer.evaluate(table) != pytest.approx(expected)
