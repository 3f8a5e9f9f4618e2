"""DSSM on points and on in-batch negatives, DSSM with SENet, FaceBookDSSM on pairs."""

import argparse
import os

import numpy as np
import torch
from movielens_utils import get_movielens_data, match_evaluation

from torch_rechub.basic.features import SequenceFeature, SparseFeature
from torch_rechub.models.matching import DSSM, FaceBookDSSM
from torch_rechub.models.matching.dssm_senet import DSSM as SENetDSSM
from torch_rechub.trainers import MatchTrainer
from torch_rechub.utils.data import MatchDataGenerator
from torch_rechub.utils.match import gather_inbatch_logits, inbatch_negative_sampling


def features_of(sizes):
    user = [SparseFeature(n, sizes[n], embed_dim=8) for n in ("user_id", "gender", "age")]
    user.append(
        SequenceFeature("hist_movie_id", sizes["movie_id"], 8, "mean", shared_with="movie_id")
    )
    item = [SparseFeature(name, sizes[name], embed_dim=8) for name in ("movie_id", "cate_id")]
    return user, item


def run(name, model, mode, x, y, test_user, all_item, args, **options):
    dg = MatchDataGenerator(x=x, y=y) if y is not None else MatchDataGenerator(x=x)
    train_dl, test_dl, item_dl = dg.generate_dataloader(
        test_user, all_item, batch_size=args.batch_size, num_workers=0
    )
    save_dir = os.path.join("saved", name)
    os.makedirs(save_dir, exist_ok=True)
    trainer = MatchTrainer(
        model, mode=mode, optimizer_params={"lr": args.learning_rate, "weight_decay": 1e-6},
        n_epoch=args.epoch, device=args.device, model_path=save_dir, gpus=[0], **options,
    )  # fmt: skip
    trainer.fit(train_dl)
    trainer.train_one_epoch(train_dl)
    if y is not None and mode == 0:
        auc = trainer.evaluate(trainer.model, train_dl)
        print(name, "auc", auc, "first", trainer.predict(trainer.model, train_dl)[:2])
        assert auc > 0.6, name
    users = trainer.inference_embedding(model, "user", test_dl, model_path=save_dir)
    items = trainer.inference_embedding(model, "item", item_dl, model_path=save_dir)
    return match_evaluation(users, items, test_user, all_item)


def main(args):
    torch.manual_seed(args.seed)
    np.random.seed(args.seed)  # noqa: NPY002
    path = f"{args.dataset_path}/ml-1m_sample.csv"
    sizes, x, all_item, test_user = get_movielens_data(path, mode=0)
    y = x.pop("label")
    user, item = features_of(sizes)
    mlp = {"dims": [16, 8], "activation": "prelu"}
    for name, dssm in (("dssm", DSSM), ("senet", SENetDSSM)):
        model = dssm(user, item, user_params=mlp, item_params=mlp, temperature=0.1)
        hit = run(name, model, 0, x, y, test_user, all_item, args)
        assert hit > 0.3, name  # of 48 movies, 10 by chance: 0.21
    clicked = {name: values[y == 1] for name, values in x.items()}
    model = DSSM(user, item, user_params=mlp, item_params=mlp, temperature=0.1)
    run(
        "in_batch", model, 0, clicked, y[y == 1], test_user, all_item, args, in_batch_neg=True,
        in_batch_neg_ratio=5, hard_negative=False, sampler_seed=args.seed,
    )  # fmt: skip
    batch = {name: torch.as_tensor(values[:6]).long() for name, values in clicked.items()}
    scores = model.user_tower(batch) @ model.item_tower(batch).T
    generator = torch.Generator().manual_seed(args.seed)
    negatives = inbatch_negative_sampling(scores, neg_ratio=2, generator=generator)
    print("positive and two negatives:", gather_inbatch_logits(scores, negatives).shape)

    sizes, x, all_item, test_user = get_movielens_data(path, mode=1, neg_ratio=1)
    user, item = features_of(sizes)
    x["neg_items"] = x["neg_items"].reshape(-1)
    x["neg_cate"] = x["cate_id"]
    negative = [
        SparseFeature("neg_items", sizes["movie_id"], embed_dim=8, shared_with="movie_id"),
        SparseFeature("neg_cate", sizes["cate_id"], embed_dim=8, shared_with="cate_id"),
    ]
    model = FaceBookDSSM(user, item, negative, user_params=mlp, item_params=mlp, temperature=0.1)
    run("facebook_dssm", model, 1, x, None, test_user, all_item, args)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--dataset_path", default="./data")
    parser.add_argument("--epoch", type=int, default=8)
    parser.add_argument("--learning_rate", type=float, default=1e-2)
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=2022)
    main(parser.parse_args())
