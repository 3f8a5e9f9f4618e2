"""Several features of one column: models predict as if each had a column of its own."""

import copy

import numpy as np
import onnxruntime
import pytest
import torch

from torch_rechub.basic.features import DenseFeature, SequenceFeature, SparseFeature
from torch_rechub.models import matching as M
from torch_rechub.models import multi_task as T
from torch_rechub.models import ranking as R
from torch_rechub.trainers import CTRTrainer
from torch_rechub.utils.data import DataGenerator

MLP = {"dims": [6], "activation": "relu"}
TASKS = ["classification"] * 2


def features(own):
    """User, item, tags and a price, with second views of three columns: of copies of them if `own`.

    Args:
        own: Whether each view reads a column of its own, which shares the table.
    """

    def name(column):
        return f"{column}2" if own else column

    def shared(column):
        return column if own else None

    user, item = SparseFeature("user", 9, 4), SparseFeature("item", 9, 4)
    tags = SequenceFeature("tags", 9, 4)
    number = DenseFeature(name("user"))  # an id that is an age, say
    total = SequenceFeature(name("tags"), 9, 4, "sum", shared_with=shared("tags"))
    cross = SparseFeature(name("item"), 9, 4, shared_with="user")  # ids of users and items alike
    return {"user": user, "item": item, "tags": tags, "number": number, "sum": total, "x": cross}


def of(f, *names):
    return [f[name] for name in names]


def wide(f):
    return of(f, "user", "item", "tags", "number", "sum", "x")


def fields(f):
    return of(f, "user", "item", "tags", "sum", "x")


RANKING = {
    "LR": lambda f: R.LR(wide(f)),
    "FM": lambda f: R.FM(fields(f)),
    "FwFM": lambda f: R.FwFM(fields(f)),
    "NFM": lambda f: R.NFM(wide(f), MLP),
    "PNN": lambda f: R.PNN(wide(f), MLP),
    "XDeepFM": lambda f: R.XDeepFM(wide(f), MLP, cin_size=[4]),
    "GDCN": lambda f: R.GDCN(wide(f), 2, MLP),
    "MaskNet": lambda f: R.MaskNet(wide(f), block_dims=[6, 6]),
    "FinalMLP": lambda f: R.FinalMLP(wide(f), of(f, "number", "sum"), of(f, "x"), MLP, MLP),
    "WideDeep": lambda f: R.WideDeep(wide(f), wide(f), MLP),
    "DeepFM": lambda f: R.DeepFM(wide(f), fields(f), MLP),
    "DeepFM, other views": lambda f: R.DeepFM(
        of(f, "user", "sum", "number"), of(f, "user", "tags"), MLP
    ),
    "EDCN": lambda f: R.EDCN(fields(f), 2, MLP),
    "DLRM": lambda f: R.DLRM(wide(f), {"dims": [4]}, MLP),
    "DCN": lambda f: R.DCN(wide(f), 2, MLP),
    "DCNv2": lambda f: R.DCNv2(wide(f), 2, MLP),
    "AFM": lambda f: R.AFM(fields(f), embed_dim=4),
    "FiBiNet": lambda f: R.FiBiNet(wide(f), MLP),
    "AutoInt": lambda f: R.AutoInt(fields(f), of(f, "number"), num_heads=2),
    "DIN": lambda f: R.DIN(
        wide(f),
        [SequenceFeature("tags", 9, 4, "concat")],
        of(f, "item", "x"),
        MLP,
        {"dims": [4]},
    ),
    "BST": lambda f: R.BST(
        wide(f), [SequenceFeature("tags", 9, 4, "concat")], of(f, "item"), MLP, nhead=2
    ),
}
TOWERS = {
    "DSSM": lambda f: M.DSSM(of(f, "user", "number", "tags", "sum"), of(f, "item"), MLP, MLP),
    "YoutubeDNN": lambda f: M.YoutubeDNN(
        of(f, "user", "number", "tags", "sum"), of(f, "item"), [NEGATIVES], {"dims": [4]}
    ),
    "MIND": lambda f: M.MIND(
        of(f, "user", "number", "sum"), [HISTORY], of(f, "item"), [NEGATIVES], 3
    ),
}
MULTI = {
    "SharedBottom": lambda f: T.SharedBottom(wide(f), TASKS, MLP, [{}, {}]),
    "MMOE": lambda f: T.MMOE(wide(f), TASKS, 2, MLP, [{}, {}]),
    "PLE": lambda f: T.PLE(wide(f), TASKS, 1, 1, 1, MLP, [{}, {}]),
    "AITM": lambda f: T.AITM(wide(f), 2, MLP, [{}, {}]),
    "ESMM": lambda f: T.ESMM(of(f, "user", "number", "tags", "sum"), of(f, "item", "x"), MLP, MLP),
}
HISTORY = SequenceFeature("tags", 9, 4, "concat")
NEGATIVES = SequenceFeature("negatives", 9, 4, "concat", shared_with="item")

X = {
    "user": torch.tensor([8, 0, 3, 5]),
    "item": torch.tensor([1, 8, 2, 2]),
    "tags": torch.tensor([[1, 2, 2], [7, 0, 0], [0, 0, 0], [8, 8, 1]]),
    "negatives": torch.tensor([[1, 2], [3, 4], [5, 6], [7, 8]]),
}
COPIES = {**X, **{f"{name}2": X[name] for name in ("user", "item", "tags")}}


def weights_of(views, apart):
    """The weights of a model of views, for one of columns apart: of first-order terms too."""
    state, wanted = views.state_dict(), apart.state_dict()
    found = {}
    for key in wanted:
        column = key.replace("2.weight", ".weight") if key not in state else key
        column = column.replace("dense_embeddings.user2", "dense_embeddings.user")
        found[key] = state[column]
    return found


@pytest.mark.parametrize("name", [*RANKING, *TOWERS, *MULTI])
def test_views_of_a_column_are_columns_that_are_equal(name):
    make = {**RANKING, **TOWERS, **MULTI}[name]
    torch.manual_seed(0)
    views, apart = make(features(own=False)).eval(), make(features(own=True)).eval()
    with torch.no_grad():
        for p in views.parameters():
            p.normal_(0, 0.5)
    apart.load_state_dict(weights_of(views, apart))
    found = views(X)
    torch.testing.assert_close(found, apart(COPIES), rtol=1e-5, atol=1e-6)
    assert found.std() > 0
    views.train()(X).sum().backward()


@pytest.mark.parametrize("name", ["DeepFM", "DSSM", "MMOE"])
def test_weights_of_a_model_of_views_load_again(name):
    make = {**RANKING, **TOWERS, **MULTI}[name]
    first = make(features(own=False)).eval()
    second = make(features(own=False)).eval()
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    assert torch.equal(first(X), second(X))


def test_what_contradicts_itself_is_an_error_of_the_model():
    again = [SparseFeature("user", 9, 4), SparseFeature("user", 10, 4)]
    with pytest.raises(ValueError, match="two different features are called 'user'"):
        R.WideDeep(again, again, MLP)


@pytest.mark.slow
def test_a_model_of_views_trains_and_its_file_has_each_column_once(tmp_path):
    model, names = RANKING["DeepFM"](features(own=False)), ("user", "item", "tags")
    trainer = CTRTrainer(model, n_epoch=1, model_path=tmp_path)
    data = DataGenerator({n: X[n] for n in names}, [0, 1, 1, 0])
    loader, _, _ = data.generate_dataloader(batch_size=4)
    trainer.fit(loader, loader)
    trainer.export_onnx(tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    inputs = {i.name: i.type for i in session.get_inputs()}
    assert inputs == dict.fromkeys(names, "tensor(int64)")
    (found,) = session.run(None, {n: X[n].numpy() for n in names})
    np.testing.assert_allclose(found, model.eval()(X).detach().numpy(), atol=1e-5)


def test_ids_are_checked_against_the_smallest_of_the_tables_of_their_column(tmp_path):
    fields = [SparseFeature("user", 9, 4), SparseFeature("other", 5, 4)]
    fields.append(SparseFeature("user", 9, 4, shared_with="other"))
    trainer = CTRTrainer(R.WideDeep(fields, fields, MLP), model_path=tmp_path)
    data = DataGenerator({"user": [0, 8], "other": [0, 1]}, [0, 1])
    with pytest.raises(IndexError, match=r"'user': id 8 is outside its vocabulary; vocab_size=5"):
        trainer.fit(data.generate_dataloader(batch_size=2)[0])
