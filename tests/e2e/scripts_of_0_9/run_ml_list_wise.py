"""Models that score an item among negatives (mode=2), each served with Annoy; SASRec by pairs."""

import argparse
import os

import numpy as np
import torch
from movielens_utils import get_movielens_data, match_evaluation

from torch_rechub.basic.features import DenseFeature, SequenceFeature, SparseFeature
from torch_rechub.models.matching import (
    MIND,
    SINE,
    ComirecDR,
    ComirecSA,
    GRU4Rec,
    SASRec,
    YoutubeDNN,
    YoutubeSBC,
)
from torch_rechub.models.matching.mind import dynamic_interest_mask
from torch_rechub.models.matching.sasrec import PointWiseFeedForward
from torch_rechub.trainers import MatchTrainer
from torch_rechub.utils.data import MatchDataGenerator
from torch_rechub.utils.match import negative_sample

MAX_LEN = 10


def build(name, sizes, batch_size):
    movies = sizes["movie_id"]
    user = [SparseFeature(n, sizes[n], embed_dim=8) for n in ("user_id", "gender", "age")]
    item = [SparseFeature("movie_id", movies, embed_dim=8)]
    pooled, steps, negatives = (
        SequenceFeature(column, movies, 8, pooling, shared_with="movie_id", padding_idx=0)
        for column, pooling in (
            ("hist_movie_id", "mean"),
            ("hist_movie_id", "concat"),
            ("neg_items", "concat"),
        )
    )
    if name == "youtube_dnn":
        return YoutubeDNN([*user, pooled], item, [negatives], {"dims": [16, 8]}, temperature=0.2)
    if name == "youtube_sbc":
        weight = [DenseFeature("sample_weight")]
        mlp = {"dims": [16, 8]}
        return YoutubeSBC([*user, pooled], item, weight, mlp, mlp, batch_size, 3, temperature=0.2)
    if name == "gru4rec":
        params = {"dims": [16, 8], "num_layers": 1}
        return GRU4Rec(user, [steps], item, [negatives], params, temperature=0.2)
    if name == "sine":
        return SINE(
            ["hist_movie_id"], ["movie_id"], ["neg_items"], movies, embedding_dim=8, hidden_dim=16,
            num_concept=5, num_intention=2, seq_max_len=MAX_LEN, num_heads=1, temperature=0.2,
        )  # fmt: skip
    if name == "mind":
        return MIND(
            user, [steps], item, [negatives], max_length=MAX_LEN, temperature=0.2,
            interest_num=2, dynamic_interest=True,
        )  # fmt: skip
    if name == "comirec_dr":
        return ComirecDR(user, [steps], item, [negatives], MAX_LEN, 0.2, interest_num=2)
    return ComirecSA(user, [steps], item, [negatives], temperature=0.2, interest_num=2)


def train(model, mode, x, y, test_user, all_item, args, save_dir):
    train_dl, test_dl, item_dl = MatchDataGenerator(x, y).generate_dataloader(
        test_user, all_item, batch_size=args.batch_size, num_workers=0
    )
    os.makedirs(save_dir, exist_ok=True)
    trainer = MatchTrainer(
        model, mode=mode, optimizer_params={"lr": args.learning_rate}, n_epoch=args.epoch,
        device="cpu", model_path=save_dir,
    )  # fmt: skip
    trainer.fit(train_dl)
    users = trainer.inference_embedding(model, "user", test_dl, model_path=save_dir)
    items = trainer.inference_embedding(model, "item", item_dl, model_path=save_dir)
    return match_evaluation(users, items, test_user, all_item)


def main(args):
    np.random.seed(args.seed)  # noqa: NPY002
    path = f"{args.dataset_path}/ml-1m_sample.csv"
    sizes, x, all_item, test_user = get_movielens_data(path, mode=2, seq_max_len=MAX_LEN)
    y = np.zeros(len(x["movie_id"]))
    counts = dict(enumerate(np.bincount(x["movie_id"], minlength=sizes["movie_id"]), start=0))
    x["sample_weight"] = np.array([counts[i] / len(y) for i in x["movie_id"]])
    print("popular ones drawn:", negative_sample(counts, ratio=5, method_id=1))
    hits = []
    for name in args.model_name:
        torch.manual_seed(args.seed)
        model = build(name, sizes, args.batch_size)
        hit = train(model, 2, x, y, test_user, all_item, args, os.path.join("saved", name))
        print(name, "hit@10", hit)
        hits.append(hit)
        batch = {column: torch.as_tensor(values[:3]) for column, values in x.items()}
        print(model.user_tower(batch).shape, model.item_tower(batch).shape)
        if name not in ("youtube_dnn", "youtube_sbc", "gru4rec"):
            mask = model.gen_mask(batch)
            print("steps of each history", mask.reshape(3, -1).sum(dim=1).tolist())
        if name == "mind":
            active = model.active_interest_mask(batch)
            assert torch.equal(active, dynamic_interest_mask(mask, 2))
    assert max(hits) > 0.3  # of 48 movies, 10 by chance: 0.21


def sasrec(args):
    """Each step of a history against the next item and one that was not clicked."""
    torch.manual_seed(args.seed)
    path = f"{args.dataset_path}/ml-1m_sample.csv"
    sizes, x, *_ = get_movielens_data(path, mode=2, seq_max_len=MAX_LEN)
    history = x["hist_movie_id"]
    random = np.random.default_rng(args.seed)
    data = {"seq": history[:, :-1], "pos": history[:, 1:]}
    data["neg"] = random.integers(1, sizes["movie_id"], data["pos"].shape) * (data["pos"] > 0)
    features = [
        SequenceFeature("seq", sizes["movie_id"], embed_dim=8, pooling="concat"),
        SequenceFeature("pos", sizes["movie_id"], 8, pooling="concat", shared_with="seq"),
        SequenceFeature("neg", sizes["movie_id"], 8, pooling="concat", shared_with="seq"),
    ]
    model = SASRec(features, max_len=MAX_LEN, dropout_rate=0.1, num_blocks=1, num_heads=2)
    dg = MatchDataGenerator(x=data)
    train_dl, *_ = dg.generate_dataloader(data, data, batch_size=64, num_workers=0)
    trainer = MatchTrainer(model, mode=1, n_epoch=2, device="cpu", model_path="./")
    trainer.fit(train_dl)
    batch = {name: torch.as_tensor(values[:2]).long() for name, values in data.items()}
    pos_logits, neg_logits = model(batch)
    embedded = model.item_emb(batch, features[:1])[:, 0]
    print(pos_logits.shape, neg_logits.shape, model.seq_forward(batch, embedded).shape)
    print(PointWiseFeedForward(8, dropout_rate=0.1)(torch.randn(2, 9, 8)).shape)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--dataset_path", default="./data")
    names = "youtube_dnn youtube_sbc gru4rec sine mind comirec_dr comirec_sa"
    parser.add_argument("--model_name", nargs="+", default=names.split())
    parser.add_argument("--epoch", type=int, default=8)
    parser.add_argument("--learning_rate", type=float, default=1e-2)
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--seed", type=int, default=2022)
    args = parser.parse_args()
    main(args)
    sasrec(args)
