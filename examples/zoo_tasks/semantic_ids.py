"""Semantic ids of movies by RQ-VAE, and next movies by TIGER."""

from dataclasses import replace

import torch
from histories import LENGTH
from torch.utils.data import DataLoader
from transformers import T5Config

from torch_rechub.metrics.ranking import ranking_metrics
from torch_rechub.models.generative import RQVAEModel, TIGERModel
from torch_rechub.trainers import TigerTrainer, rqvae_trainer
from torch_rechub.utils.data import TigerSeqDataset

from .runs import Outcome, parameters_of

RQVAE_EPOCHS, CODES = 200, (32, 32, 32)
TIGER_EPOCHS, PATIENCE = 15, 2
HISTORY = 10  # history length of TIGER


def measure_rqvae(embeddings, run):
    """Measure the reconstruction and the collisions of semantic ids."""
    trainer, x = _train_rqvae(embeddings, run)
    with torch.inference_mode():
        found, _, _ = trainer.model(x.to(trainer.device), use_sk=False)
    lost = (found.cpu() - x).square().mean() / x.var(correction=0)
    metrics = {
        "variance lost": float(lost),
        "collision rate": trainer.evaluate(DataLoader(x, len(x))),
    }
    seconds = sum(epoch["seconds"] for epoch in trainer.history)
    return Outcome(metrics, seconds, parameters_of(trainer.model))


def measure_tiger(embeddings, users, run):
    """Train TIGER on semantic ids, and recommend by beam search."""
    rqvae, x = _train_rqvae(embeddings, replace(run, trackers=[]))
    ids = rqvae.model.generate_semantic_ids(x, DataLoader(x, len(x)))
    codes = {row + 1: tokens for row, tokens in ids.items()}  # movie ids start at 1
    movies = {user: ids.tolist() for user, (ids, _) in enumerate(users)}
    parts = [TigerSeqDataset(movies, codes, HISTORY, mode) for mode in ("train", "valid", "test")]
    tokenizer = parts[0].make_tokenizer()
    collate = parts[0].get_collate_fn(tokenizer)
    train = DataLoader(parts[0], 128, shuffle=True, collate_fn=collate)
    val, test = (DataLoader(part, 64, collate_fn=collate) for part in parts[1:])

    torch.manual_seed(run.seed)
    model = _t5(len(tokenizer))
    trainer = TigerTrainer(
        model,
        parts[0],
        tokenizer,
        optimizer_params={"lr": 2e-3},
        earlystop_patience=PATIENCE,
        max_grad_norm=1.0,
        **run.trainer_settings(TIGER_EPOCHS),
    )
    trainer.fit(train, val)
    seconds = sum(epoch["seconds"] for epoch in (*rqvae.history, *trainer.history))
    # enough beams for ten movies in addition to the masked ones
    metrics = _masked(trainer.recommend(test, num_beams=LENGTH + 10), movies)
    return Outcome(metrics, seconds, parameters_of(model))


def _t5(n_tokens):
    return TIGERModel(
        T5Config(
            vocab_size=n_tokens,
            d_model=64,
            d_kv=32,
            d_ff=256,
            num_layers=1,
            num_heads=2,
            decoder_start_token_id=0,
            pad_token_id=0,
            eos_token_id=1,
        )
    )


def _masked(recommended, movies):
    """Return the test metrics, with the last movies of the history masked."""
    target = {user: [ids[-1]] for user, ids in movies.items()}
    seen = {user: set(ids[-LENGTH - 1 : -1]) for user, ids in movies.items()}
    ranked = {
        user: [movie for movie in found if movie not in seen[user]]
        for user, found in zip(movies, recommended, strict=True)
    }
    metrics = ranking_metrics(target, ranked, [10])
    return {"NDCG@10": metrics["ndcg@10"], "HR@10": metrics["hit@10"]}


def _train_rqvae(embeddings, run):
    """Train to the lowest collision rate: the loss grows with the latent vectors."""
    x = torch.from_numpy(embeddings)
    x = x / x.std()
    torch.manual_seed(run.seed)
    model = RQVAEModel(x.shape[1], CODES, e_dim=32, layers=[128], kmeans_init=True)
    trainer = rqvae_trainer.Trainer(
        model,
        optimizer_params={"lr": 1e-3},
        eval_step=10,
        **run.trainer_settings(RQVAE_EPOCHS),
    )
    trainer.fit(DataLoader(x, batch_size=256, shuffle=True))
    model.load_state_dict(torch.load(run.folder / trainer.collision_file, weights_only=True))
    model.eval()
    return trainer, x
