"""Semantic ids of items from their embeddings: EmbDataset, RQVAEModel, its trainer."""

import argparse
import json
import os

import numpy as np
import torch
from torch.utils.data import DataLoader

from torch_rechub.models.generative.rqvae import (
    ResidualVectorQuantizer,
    RQVAEModel,
    VectorQuantizer,
    kmeans,
    sinkhorn_algorithm,
)
from torch_rechub.trainers.rqvae_trainer import Trainer
from torch_rechub.utils.data import EmbDataset


def main(args):
    torch.manual_seed(args.seed)
    centers = torch.randn(6, 12) * 3
    np.save("items.npy", (centers[torch.arange(90) % 6] + 0.1 * torch.randn(90, 12)).numpy())
    dataset = EmbDataset("items.npy", device="cpu")
    loader = DataLoader(dataset, batch_size=15, shuffle=True)
    model = RQVAEModel(
        in_dim=dataset.dim, num_emb_list=[8, 8, 8], e_dim=4, layers=[16], dropout_prob=0.0,
        bn=False, loss_type="mse", quant_loss_weight=1.0, beta=0.25, kmeans_init=True,
        kmeans_iters=10, sk_epsilons=[0.0, 0.0, 0.003], sk_iters=20,
    )  # fmt: skip
    trainer = Trainer(
        model, optimizer_params={"lr": args.learning_rate}, n_epoch=args.epoch, device="cpu",
        model_path="./ckpt", eval_step=10,
    )  # fmt: skip
    os.makedirs("ckpt", exist_ok=True)
    first, *_ = trainer.train_one_epoch(loader)
    best_loss, best_collision_rate = trainer.fit(loader)
    print(f"loss {first:.3f} to {best_loss:.3f}, collisions {best_collision_rate:.3f}")
    assert best_loss < first
    assert 0 <= trainer.evaluate(loader) <= 1
    model.load_state_dict(torch.load("ckpt/model_best_collision_rate.pth", map_location="cpu"))
    model.eval()
    ids = model.generate_semantic_ids(
        dataset, DataLoader(dataset, batch_size=45), prefix=["<a_{}>", "<b_{}>", "<c_{}>"],
        use_sk=True, device="cpu",
    )  # fmt: skip
    assert len({"".join(tokens) for tokens in ids.values()}) == len(dataset)
    with open("index.json", "w") as file:
        json.dump(ids, file)

    # by hand
    xs = torch.from_numpy(np.load("items.npy")[:16])
    out, rq_loss, indices = model(xs, use_sk=False)
    total, reconstruction = model.compute_loss(out, rq_loss, xs=xs)
    print(float(total), float(reconstruction), model.get_indices(xs, use_sk=False).shape)
    assert indices.shape == (16, 3)
    centers = kmeans(xs, 4, num_iters=5)
    plan = sinkhorn_algorithm(torch.rand(16, 4), epsilon=0.1, sinkhorn_iterations=10)
    quantizer = VectorQuantizer(n_e=4, e_dim=12, kmeans_init=False, sk_epsilon=0.1)
    quantizer.init_emb(xs)
    distances = quantizer.center_distance_for_constraint(torch.rand(16, 4))
    x_q, loss, codes = quantizer(xs, use_sk=True)
    entries = quantizer.get_codebook_entry(codes, shape=(16, 12))
    print(centers.shape, plan.shape, distances.shape, x_q.shape, float(loss), entries.shape)
    residual = ResidualVectorQuantizer([4, 4], 12, sk_epsilons=[0.0, 0.0])
    print(quantizer.get_codebook().shape, residual.get_codebook().shape, residual(xs)[2].shape)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--dataset_path", default="./data")
    parser.add_argument("--epoch", type=int, default=30)
    parser.add_argument("--learning_rate", type=float, default=1e-2)
    parser.add_argument("--seed", type=int, default=2022)
    main(parser.parse_args())
