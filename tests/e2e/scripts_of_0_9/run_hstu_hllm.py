"""HSTU and HLLM on sequences of tokens and times: SeqTrainer, and their parts on their own."""

import argparse

import numpy as np
import pandas as pd
import torch
from torch.utils.data import DataLoader

from torch_rechub.basic.layers import HSTUBlock, HSTULayer
from torch_rechub.basic.loss_func import NCELoss
from torch_rechub.models.generative import HLLMModel, HSTUModel
from torch_rechub.models.generative.hllm import HLLMTransformerBlock
from torch_rechub.trainers import SeqTrainer
from torch_rechub.utils.data import SeqDataset, SequenceDataGenerator, pad_sequences
from torch_rechub.utils.hstu_utils import (
    RelativeBucketedTimeAndPositionBias,
    RelPosBias,
    VocabMask,
)

MAX_LEN = 8


def get_sequences(data_path):
    data = pd.read_csv(data_path).sort_values(["user_id", "timestamp"])
    tokens, times, targets = [], [], []
    for _, rows in data.groupby("user_id"):
        movies, moments = rows["movie_id"].tolist(), rows["timestamp"].to_numpy()
        for end in range(3, len(movies)):
            tokens.append(movies[:end])
            times.append((moments[end - 1] - moments[:end]).tolist())
            targets.append(movies[end])
    tokens = pad_sequences(tokens, maxlen=MAX_LEN, padding="pre", truncating="pre")
    times = pad_sequences(times, maxlen=MAX_LEN, dtype="int64", padding="pre", truncating="pre")
    positions = np.tile(np.arange(MAX_LEN), (len(tokens), 1))
    return tokens, positions, np.array(targets), times


def train(model, loaders, args, **options):
    train_dl, val_dl, test_dl = loaders
    trainer = SeqTrainer(
        model,
        optimizer_fn=torch.optim.Adam,
        optimizer_params={"lr": args.learning_rate, "weight_decay": 1e-5},
        n_epoch=args.epoch,
        earlystop_patience=10,
        device=args.device,
        model_path="./",
        **options,
    )
    history = trainer.fit(train_dl, val_dl)
    assert {"train_loss", "val_loss", "val_accuracy"} <= set(history)
    loss = trainer.train_one_epoch(train_dl, log_interval=10)
    loss, accuracy = trainer.evaluate(test_dl)
    print(f"{type(model).__name__} test loss {loss:.4f}, accuracy {accuracy:.4f}")
    assert history["train_loss"][-1] < history["train_loss"][0]
    return trainer


def main(args):
    torch.manual_seed(args.seed)
    columns = get_sequences(f"{args.dataset_path}/ml-1m_sample.csv")
    vocab_size = int(columns[0].max()) + 1
    generator = SequenceDataGenerator(*columns)
    loaders = generator.generate_dataloader(batch_size=32, split_ratio=[0.7, 0.1, 0.2])
    sizes = {"d_model": 16, "n_heads": 2, "n_layers": 1, "max_seq_len": MAX_LEN, "dropout": 0.1}
    hstu = HSTUModel(vocab_size=vocab_size, dqk=8, dv=8, **sizes)
    trainer = train(hstu, loaders, args)
    embeddings = torch.randn(vocab_size, 16)
    hllm = HLLMModel(item_embeddings=embeddings, vocab_size=vocab_size, **sizes)
    train(hllm, loaders, args, loss_type="nce", loss_params={"temperature": 0.1})

    # one batch by hand, with the sum of the losses of its targets
    seq_tokens, seq_positions, seq_time_diffs, target = next(
        iter(DataLoader(SeqDataset(*columns), batch_size=4))
    )
    assert seq_positions.shape == seq_tokens.shape
    logits = trainer.model(seq_tokens, seq_time_diffs)[:, -1]
    by_hand = SeqTrainer(hstu, loss_params={"reduction": "sum"})
    print("loss by hand:", float(by_hand.loss_fn(logits, target.long())))
    nce = NCELoss(temperature=1.0, reduction="sum")
    print("the same as NCE:", float(nce(logits, target.long())))
    mask = VocabMask(vocab_size, invalid_items=[0])
    masked = mask.apply_mask(logits, invalid_ids=torch.tensor([1, 2]))
    assert not set(masked.argmax(dim=1).tolist()) & {0, 1, 2}

    # the parts
    x, times = torch.randn(2, 6, 16), torch.randint(0, 9999, (2, 6))
    padding_mask = torch.ones(2, 6, dtype=torch.bool)
    small = {"dqk": 8, "dv": 8, "dropout": 0.0, "max_seq_len": 6}
    for part in (HSTULayer(16, 2, **small), HSTUBlock(16, 2, n_layers=2, **small)):
        assert part(x, padding_mask=padding_mask, time_diffs=times).shape == x.shape
    bias = RelPosBias(n_heads=2, max_seq_len=4)(6)  # longer than it was made for
    assert HLLMTransformerBlock(16, 2)(x, rel_pos_bias=bias).shape == x.shape
    both = RelativeBucketedTimeAndPositionBias(2, 6, time_bucket_fn="log")
    print(both(times).shape, both(seq_len=6).shape)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--dataset_path", default="./data")
    parser.add_argument("--epoch", type=int, default=3)
    parser.add_argument("--learning_rate", type=float, default=1e-2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=2022)
    main(parser.parse_args())
