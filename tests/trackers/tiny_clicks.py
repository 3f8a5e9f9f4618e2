"""A training run of a second: sixty rows, three batches an epoch."""

import torch

from torch_rechub.basic.features import SparseFeature
from torch_rechub.models.ranking import DeepFM
from torch_rechub.utils.data import DataGenerator


def model_and_loaders():
    """A model, and the loaders of training and validation, the same at each call."""
    torch.manual_seed(0)
    loaders = loaders_of_clicks()
    return model_of_clicks(), *loaders


def loaders_of_clicks():
    """The loaders of training and validation, split by the present seed."""
    ids = torch.arange(60)
    data = DataGenerator({"user": ids % 9, "item": ids % 7}, (ids % 3 == 0).int())
    return data.generate_dataloader(split_ratio=[0.5, 0.5], batch_size=10)[:2]


def model_of_clicks():
    """A model with weights of the present seed."""
    fields = [SparseFeature("user", 9, embed_dim=4), SparseFeature("item", 7, embed_dim=4)]
    return DeepFM(fields, fields, {"dims": [4]})
