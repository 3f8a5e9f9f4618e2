"""Training runs on a device and on the CPU: the same numbers, the same errors, portable files.

RECHUB_TEST_DEVICE says which, such as "cuda:0"; see `device` in the conftest of the core's tests.
"""

import pytest
import torch

from core.training.training_table import (
    ITEM,
    PARAMS,
    TRAINING_RUNS,
    USER,
    N,
    V,
    clicks,
    next_codes,
    rows,
)
from torch_rechub.data.loader import TableLoader, TorchDataset
from torch_rechub.metrics.retrieval import evaluate_retrieval, top_k
from torch_rechub.models.generative import HSTUModel
from torch_rechub.models.ranking import DeepFM
from torch_rechub.trainers import CTRTrainer, SeqTrainer
from torch_rechub.trainers.rqvae_trainer import Trainer as RQVAETrainer
from warm_python import run_script

OPTIONS = {
    "plainly": {},
    "ahead": {"prefetch": True},
    "lazily": {"embedding_update": "lazy"},
    "by the row": {"embedding_update": "row_wise"},
    "clipped": {"accumulate": 2, "max_grad_norm": 0.05},
    "penalised": {"regularization_params": {"embedding_l2": 0.01, "dense_l1": 0.01}},
}

# eps is large, as a gradient that is 0 but for rounding would make whole steps without it
ADAM = {"optimizer_fn": torch.optim.Adam, "optimizer_params": {"lr": 0.02, "eps": 1e-3}}


def fitted(training, folder, device, n_epoch=2, resume=False, **options):
    torch.manual_seed(1)
    settings = {"optimizer_fn": torch.optim.SGD, "optimizer_params": {"lr": 0.1}, **options}
    trainer, data = training(
        device=device, n_epoch=n_epoch, model_path=folder, progress=False, **settings
    )
    loader = TableLoader(data, 32) if isinstance(data, TorchDataset) else data
    arguments = (loader,) if isinstance(trainer, RQVAETrainer) else (loader, loader)
    trainer.fit(*arguments, resume=resume)
    assert {p.device.type for p in trainer.model.parameters()} == {torch.device(device).type}
    return trainer, loader


def figures(trainer):
    return [{k: v for k, v in epoch.items() if k != "seconds"} for epoch in trainer.history]


def check_same(found, expected, same_on_device):
    for first, second in zip(figures(found), figures(expected), strict=True):
        assert first == pytest.approx(second, rel=1e-3, abs=1e-4)
    state = expected.model.state_dict()
    for name, value in found.model.state_dict().items():
        same_on_device(value, state[name])


@pytest.mark.parametrize("name", TRAINING_RUNS)
def test_it_trains_to_the_same_weights_as_on_the_cpu(name, tmp_path, device, same_on_device):
    expected, _ = fitted(TRAINING_RUNS[name], tmp_path / "cpu", "cpu")
    found, _ = fitted(TRAINING_RUNS[name], tmp_path / "device", device)
    check_same(found, expected, same_on_device)
    for file in (tmp_path / "device").iterdir():  # weights go to a machine without the device
        saved = torch.load(file, map_location="cpu", weights_only=True)
        for key, value in torch.load(tmp_path / "cpu" / file.name, weights_only=True).items():
            torch.testing.assert_close(saved[key], value, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("option", OPTIONS)
def test_so_it_does_with_options(option, tmp_path, device, same_on_device):
    options = OPTIONS[option]
    if option == "by the row":  # which SGD does not know
        options = {**ADAM, **options}
    expected, _ = fitted(clicks, tmp_path / "cpu", "cpu", **options)
    found, _ = fitted(clicks, tmp_path / "device", device, **options)
    check_same(found, expected, same_on_device)


@pytest.mark.parametrize(
    "name", ["clicks", "in-batch", "tasks, gradnorm", "next items", "codes", "next codes"]
)
def test_a_resumed_training_run_equals_the_unbroken_one(name, tmp_path, device, same_on_device):
    unbroken, _ = fitted(TRAINING_RUNS[name], tmp_path / "cpu", "cpu", n_epoch=3, **ADAM)
    for n_epoch in (1, 3):
        again, _ = fitted(TRAINING_RUNS[name], tmp_path / "device", device, n_epoch, True, **ADAM)
    check_same(again, unbroken, same_on_device)


@pytest.mark.parametrize(
    "name", ["clicks", "in-batch", "tasks, uwl", "next items", "codes", "next codes"]
)
def test_it_learns_in_bf16(name, tmp_path, device):
    options = {"mixed_precision": "bf16", "prefetch": True, **ADAM}
    trainer, _ = fitted(TRAINING_RUNS[name], tmp_path, device, n_epoch=20, **options)
    losses = [epoch[trainer.loss_names[0]] for epoch in trainer.history]
    assert losses[-1] < 0.95 * losses[0]


def test_what_was_trained_there_predicts_the_same_here(tmp_path, device):
    trainer, loader = fitted(clicks, tmp_path, device)
    found = trainer.predict(trainer.model, loader)
    model = trainer.model.cpu().eval()
    assert found == pytest.approx(model(loader.dataset.x).tolist(), abs=1e-4)


def test_items_are_ranked_there_as_here(tmp_path, device, same_on_device):
    trainer, loader = fitted(TRAINING_RUNS["in-batch"], tmp_path, device)
    user, item = (
        trainer.inference_embedding(trainer.model, mode, loader, tmp_path)
        for mode in ("user", "item")
    )
    assert user.device.type == item.device.type == "cpu"
    item = item + torch.linspace(0, 1, N).unsqueeze(1)  # no ties
    scores, ids = top_k(user.to(device), item.to(device), k=5)
    expected_scores, expected_ids = top_k(user, item, k=5)
    same_on_device(scores, expected_scores)
    assert torch.equal(ids.cpu(), expected_ids)
    relevant = [[i] for i in range(N)]
    found = evaluate_retrieval(user.to(device), item.to(device), relevant, topKs=(5,))
    assert found == pytest.approx(evaluate_retrieval(user, item, relevant, topKs=(5,)), rel=1e-4)


def test_items_are_written_there_as_here(tmp_path, other_device):
    trainer, loader = fitted(next_codes, tmp_path, other_device, n_epoch=20)
    found = trainer.recommend(loader, num_beams=V), trainer.evaluate_topk(loader, (3,), True)
    here, _ = next_codes(model_path=tmp_path)
    here.model.load_state_dict(torch.load(tmp_path / "model.pth", map_location="cpu"))
    assert found == (here.recommend(loader, num_beams=V), here.evaluate_topk(loader, (3,), True))


@pytest.mark.parametrize("prefetch", [False, True])
@pytest.mark.parametrize("id_", [-1, V])
def test_an_id_outside_its_vocabulary_is_named(prefetch, id_, tmp_path, device):
    settings = {"device": device, "model_path": tmp_path, "prefetch": prefetch, "progress": False}
    trainer, data = clicks(**settings)
    x, y = data.x, data.y
    bad = {**x, "item": torch.full_like(x["item"], id_)}
    for loader in ([(x, y), (bad, y)], TableLoader(TorchDataset(bad, y), 32)):
        with pytest.raises(IndexError, match=f"feature 'item': id {id_} is outside"):
            trainer.fit(loader)
    model = HSTUModel(V, d_model=8, n_heads=2, n_layers=1, dqk=4, dv=4, max_seq_len=4)
    tokens, y = torch.full((2, 4), id_), torch.ones(2, dtype=torch.int64)
    with pytest.raises(IndexError, match=f"'tokens': id {id_} is outside"):
        SeqTrainer(model, **settings).fit([(tokens, tokens, tokens, y)])


# in a process of its own, which a device's assertion leaves of no further use
OUTSIDE = """
import sys, torch
from torch_rechub.basic.features import SparseFeature
from torch_rechub.models.ranking import DeepFM

fields = [SparseFeature("a", 5, embed_dim=2), SparseFeature("b", 9, embed_dim=2)]
model = DeepFM(fields, fields, {"dims": [2]}).to(sys.argv[1])
x = {"a": torch.tensor([0, 4]), "b": torch.tensor([0, 8])}
print(model({name: ids.to(sys.argv[1]) for name, ids in x.items()}).cpu().shape, flush=True)
x["a"][1] = 5  # in a stacked table, a row of b
try:
    print(model({name: ids.to(sys.argv[1]) for name, ids in x.items()}).cpu())
except (IndexError, RuntimeError):
    print("refused", flush=True)
"""


def test_without_a_trainer_it_is_refused_too(device):
    done = run_script(["-c", OUTSIDE, device])
    assert done.stdout.split("\n")[:2] == ["torch.Size([2])", "refused"], done.stderr


def test_a_deepfm_trains_on_batches_that_are_already_there(tmp_path, device, on_device):
    model = DeepFM([USER, ITEM], [USER, ITEM], PARAMS)
    x, y = on_device(rows())
    settings = {"device": device, "model_path": tmp_path, "n_epoch": 2, "progress": False}
    trainer = CTRTrainer(model, **settings)
    trainer.fit([(x, y)], [(x, y)])
    assert trainer.history[1]["train/loss"] < trainer.history[0]["train/loss"]
