"""Retrieval and next-item models continue on newer logs, and recommend the new items."""

import numpy as np
import pandas as pd
import pytest
import torch

from torch_rechub.basic.features import SequenceFeature, SparseFeature
from torch_rechub.bundles import load_bundle
from torch_rechub.data.interactions import Interactions
from torch_rechub.data.preprocessing import Categorical, Preprocessor
from torch_rechub.models.generative import HSTUModel
from torch_rechub.models.matching import DSSM, SASRec
from torch_rechub.trainers import MatchTrainer, SeqTrainer

NAMES = {"user": "customer", "item": "product", "time": "time"}
LENGTH = 4


def log(first, n=240):
    """Orders of ten products from `first` on."""
    draw = np.random.default_rng(first)
    return pd.DataFrame(
        {
            "customer": [f"c{i}" for i in draw.integers(0, 20, n)],
            "product": [f"p{i + first}" for i in draw.integers(0, 10, n)],
            "time": draw.permutation(n) + 1000 * first,
        }
    )


OLD, NEW = log(0), log(5)
WRONG_LOGS = [
    (NEW.assign(time=NEW["time"].astype(str)), TypeError, r"'time' .*holds no times.*to_datetime"),
    (NEW.drop(columns="time"), KeyError, r"no column 'time', the time of the log.*rename"),
    (NEW.drop(columns="customer"), KeyError, "no column 'customer', the user of the log"),
    (
        NEW.assign(product=NEW["product"].where(NEW.index != 3)),
        ValueError,
        "'product' has 1 missing values, first in row 3: drop",
    ),
]


def match(folder, preprocessor, data):
    (item,) = preprocessor.features("product", embed_dim=4)
    history = SequenceFeature("hist_product", item.vocab_size, 4, "mean", "product", padding_idx=0)
    model = DSSM([history], [item], {"dims": [4]}, {"dims": [4]}, temperature=0.1)
    trainer = MatchTrainer(model, in_batch_neg=True, n_epoch=1, model_path=folder)
    trainer.fit(loader_of_match(data))
    return trainer, {"length": LENGTH}


def loader_of_match(data):
    return data.samples(LENGTH).loader(64)


def sequences(folder, preprocessor, data):
    sizes = {"d_model": 8, "n_heads": 2, "n_layers": 1, "dqk": 4, "dv": 4, "max_seq_len": LENGTH}
    trainer = SeqTrainer(HSTUModel(data.sizes["product"], **sizes), n_epoch=1, model_path=folder)
    trainer.fit(loader_of_sequences(data))
    return trainer, {}


def loader_of_sequences(data):
    return data.pieces(LENGTH).sequence_loader(16)


@pytest.mark.parametrize(
    ("train", "load"), [(match, loader_of_match), (sequences, loader_of_sequences)]
)
def test_a_model_continues_on_a_log_with_new_items(train, load, tmp_path):
    torch.manual_seed(0)
    preprocessor = Preprocessor([Categorical("customer"), Categorical("product")]).fit(OLD)
    data = Interactions(OLD, **NAMES).encode(preprocessor)
    trainer, options = train(tmp_path, preprocessor, data)
    bundle = trainer.save(tmp_path / "old", preprocessor=preprocessor, **NAMES, **options)

    for wrong, error, message in WRONG_LOGS:
        with pytest.raises(error, match=message):
            type(trainer).continue_from(bundle, wrong, model_path=tmp_path)

    continued = type(trainer).continue_from(bundle, NEW, model_path=tmp_path)
    state, before = continued.trainer.model.state_dict(), trainer.model.state_dict()
    grown = [name for name, value in state.items() if value.shape != before[name].shape]
    assert grown
    for name, value in state.items():
        assert torch.equal(value[: len(before[name])] if name in grown else value, before[name])

    newer = continued.interactions()
    assert newer.sizes["product"] == data.sizes["product"] + 5
    with pytest.raises(ValueError, match=r"fit of .* samples of the log.*new\.trainer\.fit\(\)"):
        continued.fit()
    with pytest.raises(ValueError, match=r"validation of .* needs samples of the log"):
        continued.fit(loader=load(newer), validation=NEW)
    with pytest.raises(ValueError, match=r"predict of .* needs samples of the log"):
        continued.predict(NEW)
    continued.fit(loader=load(newer))
    path = continued.save(tmp_path / "new")  # with the options of the first save
    parts, first = (load_bundle(folder).document.parts for folder in (path, bundle))
    of_users = "users" if "users" in parts else "sequences"
    assert parts[of_users]["histories"] == first[of_users]["histories"]
    assert parts[of_users]["length"] == first[of_users]["length"] == LENGTH
    found = load_bundle(path).recommend(NEW, k=10)
    assert set(found["product"]) & {f"p{i}" for i in range(10, 15)}
    assert not set(load_bundle(bundle).recommend(NEW, k=10)["product"]) - set(OLD["product"])


def test_sasrec_of_steps_that_share_the_items_of_a_history_continues(tmp_path):
    preprocessor = Preprocessor([Categorical("customer"), Categorical("product")]).fit(OLD)
    data = Interactions(OLD, **NAMES).encode(preprocessor)
    size = data.sizes["product"]
    steps = [
        SequenceFeature(f"{name}_product", size, 4, "concat", padding_idx=0)
        for name in ("hist", "next", "neg")
    ]
    model = SASRec(steps, LENGTH, item_feature=SparseFeature("product", size, 4))
    trainer = MatchTrainer(model, mode=1, n_epoch=1, model_path=tmp_path)
    trainer.fit(data.pieces(LENGTH).with_negatives().loader(64))
    bundle = trainer.save(tmp_path / "old", preprocessor=preprocessor, **NAMES)
    continued = MatchTrainer.continue_from(bundle, NEW, model_path=tmp_path)
    newer = continued.interactions().pieces(LENGTH).with_negatives()
    continued.fit(loader=newer.loader(64))
    found = load_bundle(continued.save(tmp_path / "new")).recommend(NEW, k=10)
    assert set(found["product"]) & {f"p{i}" for i in range(10, 15)}

    items = pd.DataFrame({"product": [f"p{i}" for i in range(15)], "price": 1.0})
    priced = continued.save(tmp_path / "priced", items=items)
    again = MatchTrainer.continue_from(priced, NEW, model_path=tmp_path)
    with pytest.raises(ValueError, match=r"have the columns \['price'\].* give items="):
        again.save(tmp_path / "again")
