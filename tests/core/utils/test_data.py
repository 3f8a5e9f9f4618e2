"""The helpers by the names that scripts import."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import mean_squared_error

from torch_rechub.utils.data import (
    df_to_dict,
    get_auto_embedding_dim,
    get_loss_func,
    get_metric_func,
)


def test_a_frame_becomes_a_dict_of_its_columns_whatever_its_index():
    frame = pd.DataFrame({"user": [3, 4, 5], "price": [0.5, 1.5, 2.5]})[1:]
    columns = df_to_dict(frame)
    assert list(columns) == ["user", "price"]
    assert all(isinstance(column, np.ndarray) for column in columns.values())
    assert columns["user"].tolist() == [4, 5]
    assert columns["price"].tolist() == [1.5, 2.5]


def test_the_width_of_an_embedding():
    assert get_auto_embedding_dim(num_classes=10_000) == 60


def test_losses():
    p, y = torch.tensor([0.2, 0.9]), torch.tensor([0.0, 1.0])
    by_hand = -(np.log(0.8) + np.log(0.9)) / 2
    assert get_loss_func()(p, y).item() == pytest.approx(by_hand, rel=1e-6)
    assert get_loss_func("regression")(p, y).item() == pytest.approx((0.04 + 0.01) / 2, rel=1e-6)


def test_metrics():
    y, p = np.array([0, 1, 1]), np.array([0.2, 0.1, 0.9])
    assert get_metric_func()(y, p) == 0.5
    assert get_metric_func("regression")(y, p) == pytest.approx(mean_squared_error(y, p))


@pytest.mark.parametrize("get", [get_loss_func, get_metric_func])
def test_an_unknown_task_is_refused(get):
    with pytest.raises(ValueError, match="'classification' or 'regression', got 'rank'"):
        get("rank")
