"""A small training of every trainer, for tests of what all of them do."""

import torch
from torch.utils.data import DataLoader
from transformers import T5Config

from torch_rechub.basic.features import SequenceFeature, SparseFeature
from torch_rechub.data.loader import TableLoader, TorchDataset
from torch_rechub.models.generative import HSTUModel, RQVAEModel, TIGERModel
from torch_rechub.models.matching import BPRMF, DSSM, YoutubeDNN
from torch_rechub.models.multi_task import AITM, ESCM2, SharedBottom
from torch_rechub.models.ranking import DIN
from torch_rechub.objectives.balancing.choice import STRATEGIES
from torch_rechub.trainers import CTRTrainer, MatchTrainer, MTLTrainer, SeqTrainer, TigerTrainer
from torch_rechub.trainers.rqvae_trainer import Trainer as RQVAETrainer
from torch_rechub.utils.data import TigerSeqDataset

V, N = 12, 96
USER, ITEM, NEG = (SparseFeature(name, V, 4) for name in ("user", "item", "neg"))
STEPS, NEGATIVES = (
    SequenceFeature(name, V, 4, "concat", shared_with="item") for name in ("steps", "negatives")
)
PARAMS, TYPES = {"dims": [6]}, ["classification", "regression"]


def rows():
    g = torch.Generator().manual_seed(3)
    shapes = {"user": (N,), "item": (N,), "neg": (N,), "steps": (N, 4), "negatives": (N, 3)}
    x = {name: torch.randint(1, V, shape, generator=g) for name, shape in shapes.items()}
    x["steps"][:, 3] = x["steps"][0] = 0
    return x, ((x["user"] + x["item"]) % 2).float()


def clicks(**kwargs):
    model = DIN([USER], [STEPS], [ITEM], PARAMS, PARAMS)
    return CTRTrainer(model, **kwargs), TorchDataset(*rows())


def retrieval(mode, make, **settings):
    def training(**kwargs):
        x, y = rows()
        labels = y if mode == 0 else torch.zeros(N, dtype=torch.int64)
        return MatchTrainer(make(), mode=mode, **settings, **kwargs), TorchDataset(x, labels)

    return training


def dssm():
    return DSSM([USER], [ITEM], PARAMS, PARAMS, temperature=0.2)


def tasks(make, method=None):
    def training(**kwargs):
        x, y = rows()
        model, params = make(), None if method is None else {"method": method}
        buy = y * (x["item"] > 5)
        columns = [y, buy] if len(model.task_types) == 2 else [buy, y, buy]
        data = TorchDataset(x, torch.stack(columns, dim=1))
        return MTLTrainer(model, model.task_types, adaptive_params=params, **kwargs), data

    return training


def bottom():
    return SharedBottom([USER, ITEM], TYPES, PARAMS, [PARAMS, PARAMS])


def next_items(loss_type, **params):
    def training(**kwargs):
        sizes = {"d_model": 8, "n_heads": 2, "n_layers": 1, "dqk": 4, "dv": 4, "max_seq_len": 4}
        tokens = rows()[0]["steps"]
        batches = zip(*(part.split(32) for part in (tokens, tokens, tokens * 60, tokens[:, 1])))
        model = HSTUModel(V, dropout=0.0, **sizes)
        return SeqTrainer(model, loss_type=loss_type, loss_params=params, **kwargs), list(batches)

    return training


def codes(**kwargs):
    vectors = torch.randn(N, 6, generator=torch.Generator().manual_seed(3))
    model = RQVAEModel(6, [4, 4], 3, [8])
    return RQVAETrainer(model, eval_step=1, **kwargs), vectors.split(32)


def histories():
    items = torch.randint(1, V, (N, 5), generator=torch.Generator().manual_seed(3)).tolist()
    ids = {i: [f"<a_{i % 4}>", f"<b_{i // 4}>"] for i in range(1, V)}
    return TigerSeqDataset(dict(enumerate(items)), ids, 4, "test")


def next_codes(**kwargs):
    data = histories()
    tokenizer = data.make_tokenizer()
    config = T5Config(
        vocab_size=len(tokenizer), d_model=8, d_kv=4, d_ff=16, num_layers=1, num_heads=2,
        dropout_rate=0.0, decoder_start_token_id=0,
    )  # fmt: skip
    batches = DataLoader(data, 32, collate_fn=data.get_collate_fn(tokenizer))
    return TigerTrainer(TIGERModel(config), data, tokenizer, **kwargs), list(batches)


TRAINING_RUNS = {
    "clicks": clicks,
    "point-wise": retrieval(0, dssm),
    "pair-wise": retrieval(1, lambda: BPRMF(USER, ITEM, NEG)),
    "list-wise": retrieval(2, lambda: YoutubeDNN([USER], [ITEM], [NEGATIVES], {"dims": [6, 4]})),
    "in-batch": retrieval(0, dssm, in_batch_neg=True),
    "in-batch, hard": retrieval(
        2, dssm, in_batch_neg=True, in_batch_neg_ratio=3, hard_negative=True
    ),
    "in-batch, logQ": retrieval(
        2, dssm, in_batch_neg=True, item_frequency={"item": torch.arange(1.0, V + 1).numpy()}
    ),
    "in-batch, earlier batches": retrieval(
        2,
        dssm,
        in_batch_neg=True,
        cross_batch_negatives=40,
        item_frequency={"item": torch.arange(1.0, V + 1).numpy()},
    ),
    "in-batch, bpr-max": retrieval(2, dssm, in_batch_neg=True, loss="bpr_max"),
    "tasks": tasks(bottom),
    **{f"tasks, {method}": tasks(bottom, method) for method in STRATEGIES},
    "funnel": tasks(lambda: AITM([USER, ITEM], 2, PARAMS, [PARAMS, PARAMS])),
    "entire space": tasks(lambda: ESCM2([USER], [ITEM], PARAMS, PARAMS, PARAMS)),
    "next items": next_items("cross_entropy"),
    "next items, nce": next_items("nce"),
    "next items, sampled softmax": next_items("sampled_softmax", n_negatives=8, seed=3),
    "next items, gbce": next_items("gbce", n_negatives=8),
    "next items, bpr-max": next_items("bpr_max", n_negatives=8),
    "next items, bce": next_items("bce"),
    "codes": codes,
    "next codes": next_codes,
}

# one of each trainer
TRAINERS = ("clicks", "in-batch", "tasks", "next items", "codes", "next codes")


def fit(name, folder, **options):
    """Fit the training called `name`; returns its trainer and its batches."""
    trainer, data = TRAINING_RUNS[name](model_path=folder, **options)
    loader = TableLoader(data, 32) if isinstance(data, TorchDataset) else data
    arguments = (loader,) if isinstance(trainer, RQVAETrainer) else (loader, loader)
    trainer.fit(*arguments)
    return trainer, loader
