"""Training that continues from a bundle: new ids, old predictions, settings, parents, decisions."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import log_loss, roc_auc_score

from torch_rechub.basic.tracking import JSONLLogger
from torch_rechub.bundles import BundleError, compare_on, load_bundle, promote_if
from torch_rechub.cli import main
from torch_rechub.data.preprocessing import Categorical, Numeric, Preprocessor
from torch_rechub.losses import FocalLoss
from torch_rechub.models.multi_task import SharedBottom
from torch_rechub.models.ranking import DeepFM
from torch_rechub.runs import compare, read_runs
from torch_rechub.trainers import CTRTrainer, MTLTrainer


def clicks(day, n=400):
    """Rows of a day: ten items, five of them new each day; the even ones are clicked."""
    draw = np.random.default_rng(day)
    item, user = draw.integers(0, 10, n) + 5 * day, draw.integers(0, 8, n)
    click = (item % 2 == 0) ^ (draw.random(n) < 0.05)
    rows = {"user": user, "item": item, "age": draw.random(n), "click": click.astype(int)}
    return pd.DataFrame(rows)


OLD, NEW, LATER = clicks(0), clicks(1), clicks(2)
COLUMNS = [Categorical("user"), Categorical("item"), Numeric("age")]
OPTIONS = {
    "optimizer_fn": torch.optim.Adagrad,
    "optimizer_params": {"lr": 0.1, "weight_decay": 0.0},
    "n_epoch": 4,
    "max_grad_norm": 5.0,
    "loss": "focal",
    "loss_params": {"gamma": 1.0},
}


def trained(folder, trainer=CTRTrainer, targets=("click",), **options):
    torch.manual_seed(0)
    preprocessor = Preprocessor(COLUMNS, targets=list(targets))
    train = preprocessor.fit_transform(OLD.assign(like=OLD["click"]))
    features = preprocessor.features(embed_dim=4)
    if trainer is CTRTrainer:
        arguments = (DeepFM(features, features[:2], {"dims": [8]}),)
    else:
        types = ["classification"] * 2
        arguments = (SharedBottom(features, types, {"dims": [8]}, [{"dims": [4]}] * 2), types)
    made = trainer(*arguments, model_path=folder, progress=False, **options)
    made.fit(train.loader(64, shuffle=True))
    return made, made.save(folder / "old", preprocessor=preprocessor)


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    """The first day: its folder, its trainer, and its bundle."""
    folder = tmp_path_factory.mktemp("days")
    log = JSONLLogger(name="0", dir=folder / "log")
    return folder, *trained(folder, model_logger=log, **OPTIONS)


def test_before_training_old_predictions_are_the_same_and_new_ids_are_unknown(day, tmp_path):
    _, _, bundle = day
    continued = CTRTrainer.continue_from(bundle, NEW, model_path=tmp_path)
    parent = load_bundle(bundle)
    assert np.array_equal(continued.predict(OLD), parent.predict(OLD))
    np.testing.assert_allclose(continued.predict(NEW), parent.predict(NEW), rtol=1e-6)
    assert set(continued.preprocessor.encode("item", list(range(10, 15)))) == set(range(12, 17))


def test_new_ids_are_learned_and_untouched_old_rows_stay_to_the_bit(day, tmp_path):
    _, _, bundle = day
    torch.manual_seed(0)
    continued = CTRTrainer.continue_from(bundle, NEW, model_path=tmp_path)
    before = continued.parent.model.state_dict()
    continued.fit(batch_size=64)
    rows = clicks(11).assign(item=lambda r: r["item"] % 5 + 10)  # of the new items alone
    rows["click"] = (rows["item"] % 2 == 0).astype(int)
    parent = load_bundle(bundle)
    assert roc_auc_score(rows["click"], parent.predict(rows)) < 0.7
    assert roc_auc_score(rows["click"], continued.predict(rows)) > 0.95

    (table,) = [n for n in before if n.endswith("item.weight") and before[n].shape[1] == 4]
    after, gone = continued.trainer.model.state_dict()[table], range(5)
    ids = continued.preprocessor.encode("item", list(gone))  # items that the new day has not
    assert torch.equal(after[ids.tolist()], before[table][ids.tolist()])

    saved = load_bundle(continued.save(tmp_path / "new"))
    assert np.array_equal(saved.predict(rows), continued.predict(rows))


def test_the_settings_are_those_of_the_bundle_unless_others_are_given(day, tmp_path):
    _, _, bundle = day
    trainer = CTRTrainer.continue_from(bundle, NEW, n_epoch=1, model_path=tmp_path).trainer
    assert trainer.settings.optimizer_fn is torch.optim.Adagrad
    assert trainer.optimizer.param_groups[0]["lr"] == 0.1
    assert (trainer.n_epoch, trainer.settings.max_grad_norm) == (1, 5.0)
    assert (type(trainer.criterion), trainer.criterion.gamma) == (FocalLoss, 1.0)
    assert trainer.continue_from(bundle, NEW, model_path=tmp_path).trainer.n_epoch == 4


def test_settings_without_a_form_have_to_be_given_again(tmp_path):
    _, bundle = trained(tmp_path, n_epoch=1, loss=FocalLoss(gamma=3.0))
    with pytest.raises(ValueError, match=r"cannot restore the argument loss of CTRT.*'Focal"):
        CTRTrainer.continue_from(bundle, NEW, model_path=tmp_path)
    given = CTRTrainer.continue_from(bundle, NEW, loss=None, model_path=tmp_path)
    assert given.trainer.settings.loss is None


def test_bundles_of_other_tasks_and_without_a_preprocessor_are_refused(day, tmp_path):
    _, trainer, bundle = day
    with pytest.raises(BundleError, match=r"task 'ranking', and MTLTrainer trains 'multi_task'"):
        MTLTrainer.continue_from(bundle, NEW)
    with pytest.raises(ValueError, match="has no preprocessor, so newer rows"):
        CTRTrainer.continue_from(trainer.save(tmp_path / "bare"), NEW)


def test_new_items_start_from_items_with_their_attributes(day, tmp_path):
    _, _, bundle = day
    items = pd.DataFrame({"item": range(15), "parity": np.arange(15) % 2})
    continued = CTRTrainer.continue_from(bundle, NEW, like={"item": items}, model_path=tmp_path)
    state = continued.trainer.model.state_dict()
    (table,) = [v for n, v in state.items() if n.endswith("item.weight") and v.shape[1] == 4]
    rows = table[continued.preprocessor.encode("item", list(range(15))).tolist()]
    torch.testing.assert_close(rows[10], rows[0:10:2].mean(dim=0))
    torch.testing.assert_close(rows[11], rows[1:10:2].mean(dim=0))
    # unseen items, yet their attributes tell them apart
    new = NEW[NEW["item"] >= 10]
    assert roc_auc_score(new["click"], continued.predict(new)) > 0.8
    with pytest.raises(KeyError, match="raw ids of the input 'item' in a column of that name"):
        CTRTrainer.continue_from(bundle, NEW, like={"item": items[["parity"]]})


def test_the_chain_of_runs_is_read_back(day, tmp_path, capsys):
    folder, first, bundle = day
    log, chain = folder / "log", [first.run.run_id]
    for name, rows in (("1", NEW), ("2", LATER)):
        logger = JSONLLogger(name=name, dir=log)
        options = {"model_logger": logger, "model_path": tmp_path, "n_epoch": 1}
        continued = CTRTrainer.continue_from(bundle, rows, **options)
        digest = json.loads((bundle / "bundle.json").read_bytes())["digest"]
        assert continued.trainer.run.parent_digest == digest
        continued.fit()
        bundle = continued.save(tmp_path / name)
        chain.append(continued.trainer.run.run_id)
    assert load_bundle(bundle).document.run["parent"] == chain[1]

    runs = read_runs(log)
    assert [run.run_id for run in runs] == chain
    assert [run.parent for run in runs] == [None, *chain[:2]]
    assert main(["runs", str(log), "--format", "json"]) == 0
    records = json.loads(capsys.readouterr().out)
    assert [(r["run_id"], r["parent"]) for r in records] == list(zip(chain, [None, *chain[:2]]))
    assert main(["runs", str(log)]) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.split()[:3] == ["name", "run", "parent"]
    assert [line.split()[:3] for line in lines[1:]] == [[n, chain[int(n)], chain[int(n) - 1]]
                                                        for n in "12"]  # fmt: skip
    found = compare(log, "train/loss", "min")
    assert not {"run_id", "parent_run_id", "parent_digest"} & {*found.differing, *found.common}


def test_another_fit_is_another_run_and_a_resumed_one_the_same(tmp_path):
    data = Preprocessor(COLUMNS, targets=["click"]).fit_transform(OLD)
    features = Preprocessor(COLUMNS).fit(OLD).features(embed_dim=4)

    def run_id(resume):
        model = DeepFM(features, features[:2], {"dims": [4]})
        trainer = CTRTrainer(model, n_epoch=1, model_path=tmp_path, progress=False)
        trainer.fit(data.loader(100), resume=resume)
        return trainer.run.run_id

    first = run_id(resume=True)
    assert run_id(resume=True) == first != run_id(resume=False)


def test_several_tasks_continue(tmp_path):
    _, bundle = trained(tmp_path, MTLTrainer, ("click", "like"), n_epoch=1)
    new = NEW.assign(like=NEW["click"])
    continued = MTLTrainer.continue_from(bundle, new, model_path=tmp_path)
    parent = load_bundle(bundle)
    old = OLD.assign(like=OLD["click"])
    assert np.array_equal(continued.predict(old), parent.predict(old))
    continued.fit(batch_size=64)
    table = compare_on(parent, continued, new, ["auc"])
    assert list(table.index) == ["click/auc", "like/auc"]
    right = roc_auc_score(new["like"], continued.predict(new)[:, 1])
    assert table.loc["like/auc", "new"] == pytest.approx(right)


def test_two_models_are_compared_on_a_day(day, tmp_path):
    _, _, bundle = day
    torch.manual_seed(0)
    continued = CTRTrainer.continue_from(bundle, NEW, model_path=tmp_path)
    continued.fit(batch_size=64)
    parent, rows = load_bundle(bundle), clicks(1, 300)
    table = compare_on(parent, continued, rows)
    y = rows["click"].to_numpy()
    base = log_loss(y, np.full(len(y), y.mean()))
    for name, model in (("old", parent), ("new", continued)):
        p = model.predict(rows).astype(float)
        right = [roc_auc_score(y, p), log_loss(y, p), log_loss(y, p) / base, p.sum() / y.sum()]
        np.testing.assert_allclose(table[name], right, rtol=1e-5)
    assert list(table.index) == ["auc", "log_loss", "ne", "calibration"]
    gain = table["new"] - table["old"]
    np.testing.assert_allclose(table["gain"], [gain.iloc[0], -gain.iloc[1], -gain.iloc[2], np.nan])
    assert promote_if(table, "auc")
    assert promote_if(table, "log_loss", min_gain=0.01)


def test_the_decision_for_a_model_has_a_reason():
    table = pd.DataFrame(
        {"old": [0.70, 0.50, 1.0], "new": [0.72, 0.51, 1.3], "gain": [0.02, -0.01, np.nan]},
        index=["auc", "log_loss", "calibration"],
    )
    assert promote_if(table, "auc", min_gain=0.01).promoted
    assert promote_if(table, "auc", 0.03).reason.endswith("a gain of 0.02 is below 0.03")
    assert not promote_if(table, "log_loss")
    found = promote_if(table, "auc", calibration=(0.9, 1.1))
    assert (bool(found), found.reason) == (False, "calibration 1.3 is outside 0.9 to 1.1")
    with pytest.raises(ValueError, match="'calibration' has no direction"):
        promote_if(table, "calibration")
    with pytest.raises(KeyError, match="no 'gauc'"):
        promote_if(table, "gauc")
    with pytest.raises(ValueError, match="min_gain"):
        promote_if(table, "auc", -1)
    for bounds, message in (((1.25, 0.8), r"give \(0.8, 1.25\)"), ((0.9,), "lowest, highest")):
        with pytest.raises(ValueError, match=message):
            promote_if(table, "auc", calibration=bounds)


def test_wrong_calls_are_refused_at_once(day, tmp_path):
    _, _, bundle = day
    with pytest.raises(KeyError, match="new_frame has no column 'click', the label of"):
        CTRTrainer.continue_from(bundle, NEW.drop(columns="click"))
    with pytest.raises(TypeError, match=r"got DataFrame: call CTRTrainer.continue_from\(bundle, n"):
        CTRTrainer.continue_from(NEW, bundle)
    with pytest.raises(TypeError, match=r"takes no argument 'n_epok'.*, n_epoch,.*scheduler_step"):
        CTRTrainer.continue_from(bundle, NEW, n_epok=1)


def test_what_cannot_be_compared_is_refused(day):
    _, _, bundle = day
    loaded = load_bundle(bundle)
    by_path = compare_on(bundle, str(bundle), OLD, ["auc"])
    assert by_path.equals(compare_on(loaded, loaded, OLD, ["auc"]))
    with pytest.raises(ValueError, match="frame has no rows"):
        compare_on(loaded, loaded, OLD[:0])
    with pytest.raises(TypeError, match=r"new must be a bundle, its folder, .* got DataFrame"):
        compare_on(loaded, OLD, OLD)

    class OfRetrieval:
        task, preprocessor = "retrieval", loaded.preprocessor

    with pytest.raises(ValueError, match="the new model is of the task 'retrieval'"):
        compare_on(loaded, OfRetrieval(), OLD)
