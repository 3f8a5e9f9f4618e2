"""Models that users write themselves, of features and of every public layer."""

import argparse

import pandas as pd
import torch
from sklearn.preprocessing import LabelEncoder

from torch_rechub.basic import layers
from torch_rechub.basic.activation import Dice, activation_layer
from torch_rechub.basic.callback import EarlyStopper
from torch_rechub.basic.features import DenseFeature, SequenceFeature, SparseFeature
from torch_rechub.basic.initializers import (
    Pretrained,
    RandomNormal,
    RandomUniform,
    XavierNormal,
    XavierUniform,
)
from torch_rechub.basic.layers import (
    CEN,
    CIN,
    FFM,
    FM,
    LR,
    MLP,
    AveragePooling,
    BiLinearInteractionLayer,
    CapsuleNetwork,
    ConcatPooling,
    CrossLayer,
    CrossNetMix,
    CrossNetV2,
    CrossNetwork,
    EmbeddingLayer,
    InputMask,
    InteractingLayer,
    MultiInterestSA,
    PredictionLayer,
    SENETLayer,
    SumPooling,
)
from torch_rechub.basic.loss_func import RegularizationLoss
from torch_rechub.models.ranking import AFM
from torch_rechub.models.ranking.edcn import BridgeModule, RegulationModule
from torch_rechub.utils.data import (
    DataGenerator,
    PredictDataset,
    TorchDataset,
    get_auto_embedding_dim,
    get_metric_func,
)

INITIALIZERS = [RandomNormal(0, 0.1), RandomUniform(-0.1, 0.1), XavierNormal(), XavierUniform()]


class XDeepFM(torch.nn.Module):
    """A linear part, compressed interactions and a deep network."""

    def __init__(self, dense_features, sparse_features):
        super().__init__()
        self.dense_features, self.sparse_features = dense_features, sparse_features
        width = sum(f.embed_dim for f in sparse_features)
        self.embedding = EmbeddingLayer(sparse_features + dense_features)
        self.linear = LR(width + len(dense_features))
        self.cin = CIN(len(sparse_features), cin_size=[8, 8], split_half=True)
        self.fm = FM(reduce_sum=True)
        self.mlp = MLP(width + len(dense_features), dims=[16], dropout=0.1, activation="dice")
        self.prediction = PredictionLayer("classification")

    def forward(self, x):
        flat = self.embedding(x, self.sparse_features + self.dense_features, squeeze_dim=True)
        fields = self.embedding(x, self.sparse_features, squeeze_dim=False)
        y = self.linear(flat) + self.cin(fields) + self.fm(fields) + self.mlp(flat)
        return self.prediction(y).squeeze(1)


def get_data(path):
    data = pd.read_csv(path)
    sparse_cols = ["C1", "C2", "C3"]
    for name in sparse_cols:
        data[name] = LabelEncoder().fit_transform(data[name])
    x = {name: data[name].values for name in sparse_cols}
    x["I1"] = (data["I1"] / data["I1"].max()).values
    sparse = [
        SparseFeature(name, data[name].nunique(), embed_dim=8, initializer=initializer)
        for name, initializer in zip(sparse_cols, INITIALIZERS)
    ]
    return x, data["label"].values, [DenseFeature("I1")], sparse


def train_by_hand(model, x, y, epoch):
    """A loop without a trainer, which stops early and keeps the best weights."""
    train_dl, val_dl, _ = DataGenerator(x, y).generate_dataloader(split_ratio=[0.8, 0.1])
    optimizer, penalty = torch.optim.Adam(model.parameters(), 1e-2), RegularizationLoss(0, 1e-6)
    stopper = EarlyStopper(patience=2, mode="max")
    for _ in range(epoch):
        model.train()
        for batch, labels in train_dl:
            loss = torch.nn.functional.binary_cross_entropy(model(batch), labels.float())
            optimizer.zero_grad()
            (loss + penalty(model)).backward()
            assert model.embedding.embed_dict["C1"].weight.grad is not None
            optimizer.step()
        model.eval()
        found = [(labels, model(batch).detach()) for batch, labels in val_dl]
        truth, scores = (torch.cat(column) for column in zip(*found))
        if stopper.stop_training(get_metric_func()(truth, scores), model.state_dict()):
            break
    model.load_state_dict(stopper.best_weights)
    return stopper.best_auc


def parts():
    """Layers on tensors, as scripts try them."""
    z, flat, mask = torch.randn(4, 3, 8), torch.randn(4, 24), torch.ones(4, 1, 5)
    history = SequenceFeature("history", 20, embed_dim=8, pooling="mean", padding_idx=0)
    x = {"history": torch.tensor([[1, 2, 0], [3, 0, 0]])}
    pretrained = SparseFeature("p", 5, 2, initializer=Pretrained(torch.eye(5, 2), freeze=True))
    for feature in (history, SparseFeature("s", 9), pretrained):
        print(feature.name, feature.get_embedding_layer().weight.shape, feature.embed_dim)
    assert get_auto_embedding_dim(9) == SparseFeature("s", 9).embed_dim
    steps = torch.randn(4, 5, 8)
    shapes = {
        "masks": InputMask()(x, [history]).shape,
        "mean": AveragePooling()(steps, mask).shape,
        "sum": SumPooling()(steps, mask).shape,
        "concat": ConcatPooling()(steps, mask).shape,
        "cross": CrossLayer(24)(flat, flat).shape,
        "networks": [n(24, 2)(flat).shape for n in (CrossNetwork, CrossNetV2, CrossNetMix)],
        "senet": SENETLayer(3, reduction_ratio=3)(z).shape,
        "pairs": BiLinearInteractionLayer(8, 3, "field_interaction")(z).shape,
        "attention": InteractingLayer(8, num_heads=2, dropout=0.0, residual=True)(z).shape,
        "interests": MultiInterestSA(8, interest_num=2)(steps, mask.reshape(4, 5, 1)).shape,
        "capsules": CapsuleNetwork(8, 5, 0, interest_num=2)(steps, mask.reshape(4, 5)).shape,
        "ffm": FFM(3, reduce_sum=False)(torch.randn(4, 3, 3, 8)).shape,
        "cen": CEN(8, 3, reduction_ratio=1)(z).shape,
        "bridge": BridgeModule(24, "hadamard_product")(flat, flat).shape,
        "regulation": len(RegulationModule(3, [8] * 3, tau=1, use_regulation=True)(flat)),
        "dice": Dice(epsilon=0.001)(flat).shape,
        "prelu": activation_layer("prelu")(flat).shape,
    }
    print(shapes)
    afm = AFM([SparseFeature(name, 9, embed_dim=8) for name in "abc"], embed_dim=8)
    print(afm.attention(torch.randn(4, 3, 8)).shape, layers.MLP is MLP)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--dataset_path", default="./data")
    parser.add_argument("--epoch", type=int, default=6)
    args = parser.parse_args()
    torch.manual_seed(2022)
    x, y, dense, sparse = get_data(f"{args.dataset_path}/criteo_sample.csv")
    auc = train_by_hand(XDeepFM(dense, sparse), x, y, args.epoch)
    print(f"val auc {auc:.4f}, {len(TorchDataset(x, y))} rows, {PredictDataset(x)[0]}")
    assert auc > 0.6
    parts()
