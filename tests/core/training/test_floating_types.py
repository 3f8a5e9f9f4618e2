"""Columns and labels of float64: single precision on the device, unless the model is double."""

import copy
import math

import pytest
import torch
from torch.utils.data import DataLoader

from torch_rechub.basic.features import DenseFeature, SequenceFeature, SparseFeature
from torch_rechub.basic.layers.precision import in_double
from torch_rechub.data import batch as batches
from torch_rechub.data.loader import TableLoader, TorchDataset
from torch_rechub.models.generative import HSTUModel, RQVAEModel
from torch_rechub.models.matching import BPRMF, DSSM, YoutubeDNN
from torch_rechub.models.multi_task import ESCM2, SharedBottom
from torch_rechub.models.ranking import DIEN, DeepFM
from torch_rechub.trainers import CTRTrainer, MatchTrainer, MTLTrainer, SeqTrainer
from torch_rechub.trainers.rqvae_trainer import Trainer as RQVAETrainer
from torch_rechub.utils.data import SequenceDataGenerator

N, V = 32, 9
USER, ITEM, NEG = (SparseFeature(name, V, 4) for name in ("user", "item", "neg"))
AGE, STEPS = DenseFeature("age"), SequenceFeature("steps", V, 4, "concat", shared_with="item")
NEGATIVES = SequenceFeature("negatives", V, 4, "concat", shared_with="item")
PARAMS = {"dims": [4], "activation": "tanh"}


def rows():
    """Columns and clicks, floats in double precision, as NumPy and pandas have them."""
    x = {name: torch.randint(1, V, (N,)) for name in ("user", "item", "neg")}
    x |= {name: torch.randint(1, V, (N, 3)) for name in ("steps", "negatives")}
    return {**x, "age": torch.randn(N, dtype=torch.float64)}, (torch.arange(N) % 2).double()


def loader(x, y):
    return TableLoader(TorchDataset(x, y), 10)


def ctr(make):
    def training(**where):
        return CTRTrainer(make(), loss_mode=make is not dien, **where), loader(*rows())

    return training


def match(make, mode, **settings):
    def training(**where):
        x, y = rows()
        y = y if mode == 0 and not settings else torch.zeros(N, dtype=torch.float64)
        return MatchTrainer(make(), mode=mode, **settings, **where), loader(x, y)

    return training


def tasks(make, method=None):
    def training(**where):
        x, y = rows()
        model, adaptive = make(), None if method is None else {"method": method}
        trainer = MTLTrainer(model, model.task_types, adaptive_params=adaptive, **where)
        return trainer, loader(x, torch.stack([y, y, y][: len(model.task_types)], dim=1))

    return training


def next_item(**where):
    tokens = torch.randint(1, V, (N, 4))
    seconds = torch.arange(4.0, dtype=torch.float64).expand(N, 4)
    model = HSTUModel(V, 8, 2, 1, 4, 4, max_seq_len=4, dropout=0.0)
    data = SequenceDataGenerator(tokens, tokens, tokens[:, 0], seconds)
    return SeqTrainer(model, **where), data.generate_dataloader(10)[0]


def codes(sk_epsilons=None):
    def training(**where):
        model = RQVAEModel(4, [4, 4], e_dim=2, layers=[4], sk_epsilons=sk_epsilons)
        data = DataLoader(torch.randn(N, 4, dtype=torch.float64), 10)
        return RQVAETrainer(model, **where), data

    return training


def deepfm():
    return DeepFM([USER, ITEM, AGE], [USER, AGE], PARAMS)


def dien():
    return DIEN([USER, AGE], [STEPS], [NEGATIVES], [ITEM], PARAMS)


def dssm():
    return DSSM([USER, AGE], [ITEM], PARAMS, PARAMS, temperature=0.2)


def youtube():
    return YoutubeDNN([USER, AGE], [ITEM], [NEGATIVES], PARAMS)


def bottom():
    types = ["classification", "regression"]
    return SharedBottom([USER, AGE], types, PARAMS, [PARAMS, PARAMS])


TRAINING_RUNS = {
    "clicks": ctr(deepfm),
    "clicks, auxiliary loss": ctr(dien),
    "points": match(dssm, 0),
    "pairs": match(lambda: BPRMF(USER, ITEM, NEG), 1),
    "lists": match(youtube, 2),
    "in-batch": match(dssm, 0, in_batch_neg=True),
    "tasks": tasks(bottom),
    "tasks, uncertainty": tasks(bottom, "uwl"),
    "tasks, gradnorm": tasks(bottom, "gradnorm"),
    "tasks, entire space": tasks(lambda: ESCM2([USER, AGE], [ITEM], PARAMS, PARAMS)),
    "next item": next_item,
    "codes": codes(),
}
EVERY = pytest.mark.parametrize("training", TRAINING_RUNS.values(), ids=list(TRAINING_RUNS))


class OnDevice(torch.Tensor):
    """A tensor on a device that has no float64: whatever is computed of it is there too."""

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        found = super().__torch_function__(function, types, args, kwargs or {})
        if function is torch.Tensor.cpu:
            return found.as_subclass(torch.Tensor)
        if isinstance(found, cls) and found.dtype == torch.float64:
            raise TypeError("Cannot convert a tensor to float64: the device has none")
        return found


@pytest.fixture
def without_float64(monkeypatch):
    """Has a device refuse float64 from now on, as MPS does."""
    original = torch.Tensor.to

    def refuse(device):
        def moved(tensor, *args, **kwargs):
            found = original(tensor, *args, **kwargs)
            named = [*args, kwargs.get("device")]
            if isinstance(tensor, torch.nn.Parameter) or torch.device(device) not in named:
                return found
            if tensor.dtype == torch.float64:
                raise TypeError("Cannot convert a tensor to float64: the device has none")
            return found.as_subclass(OnDevice)

        monkeypatch.setattr(torch.Tensor, "to", moved)

    return refuse


@EVERY
def test_a_device_without_float64_gets_none(training, without_float64, tmp_path):
    trainer, data = training(model_path=tmp_path, device="cpu:0", progress=False, n_epoch=1)
    without_float64("cpu:0")
    trainer.fit(data, *[] if isinstance(trainer, RQVAETrainer) else [data])
    given = [data] if isinstance(trainer, SeqTrainer | RQVAETrainer) else [trainer.model, data]
    trainer.evaluate(*given)
    if hasattr(trainer, "predict"):
        assert len(trainer.predict(trainer.model, data)) == N
    if isinstance(trainer, MatchTrainer):
        for mode in ("user", "item"):
            found = trainer.inference_embedding(trainer.model, mode, data, tmp_path)
            assert type(found) is torch.Tensor


def test_ids_of_items_are_made_without_float64_on_the_device(without_float64):
    model = RQVAEModel(4, [4, 4], e_dim=2, layers=[4])
    data = DataLoader(torch.randn(N, 4, dtype=torch.float64), 10)
    without_float64("cpu")
    assert len(model.generate_semantic_ids(data.dataset, data)) == N


@EVERY
def test_a_double_model_trains_in_double(training, tmp_path):
    where = {"model_path": tmp_path, "progress": False, "n_epoch": 1}
    torch.manual_seed(1)
    single, data = training(**where)
    torch.manual_seed(1)
    trainer, _ = training(**where)
    trainer.model.double()
    for batch in trainer.batches(data, data):
        tensors = (batch.inputs, batch.labels)
        assert all(t.dtype != torch.float32 for t in batches._tensors(tensors))
        rounded = single.losses(batch.to(torch.device("cpu"))).scalars()
        for loss, other in zip(trainer.losses(batch).scalars(), rounded, strict=True):
            assert loss.dtype == torch.float64
            assert loss.item() == pytest.approx(other.item(), rel=1e-3)
    before = copy.deepcopy(trainer.model.state_dict())
    trainer.fit(data)
    after = trainer.model.state_dict()
    assert {v.dtype for v in after.values() if v.is_floating_point()} == {torch.float64}
    assert any(not before[name].equal(after[name]) for name in before)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
@EVERY
def test_a_model_in_half_trains_and_is_evaluated(training, dtype, tmp_path):
    settings = {"lr": 0.01, "eps": 1e-4}  # the ε that Adam has by default is 0 in float16
    trainer, data = training(
        model_path=tmp_path, progress=False, n_epoch=1, optimizer_params=settings
    )
    trainer.model.to(dtype)
    trainer.fit(data, *[] if isinstance(trainer, RQVAETrainer) else [data])
    assert all(p.isfinite().all() and p.dtype == dtype for p in trainer.model.parameters())
    recorded = {name: value for name, value in trainer.history[0].items() if "loss" in name}
    assert all(math.isfinite(value) and value > 0 for value in recorded.values())


def flat(losses):
    return losses.reshape(-1) if isinstance(losses, torch.Tensor) else losses


def test_double_predictions_keep_their_digits(tmp_path):
    trainer, data = ctr(deepfm)(model_path=tmp_path, progress=False, n_epoch=1)
    model = trainer.model.double().eval()
    expected = model(data.dataset[:][0]).tolist()
    assert trainer.predict(model, data) == expected


def test_what_a_device_has_no_type_for_is_computed_on_the_cpu():
    x = torch.ones(2, requires_grad=True)
    assert in_double(x).dtype == torch.float64
    assert in_double(x).device == x.device
