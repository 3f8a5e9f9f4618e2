"""Optimizers that users make; their parameter groups, recorded and kept by lazy updates."""

import logging
from functools import partial

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adagrad, Adam, AdamW, RMSprop
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

from torch_rechub.basic.features import SparseFeature
from torch_rechub.basic.tracking import JSONLLogger
from torch_rechub.models.generative import RQVAEModel
from torch_rechub.models.multi_task import SharedBottom
from torch_rechub.models.ranking import WideDeep
from torch_rechub.optim import JointOptimizer
from torch_rechub.runs import read_runs
from torch_rechub.trainers import CTRTrainer, MTLTrainer
from torch_rechub.trainers.rqvae_trainer import Trainer as RQVAETrainer
from torch_rechub.utils.data import DataGenerator

N, VOCAB = 240, 12
X = {"user": torch.arange(N) % VOCAB, "item": (torch.arange(N) * 5) % VOCAB}  # each batch has all
Y = (X["user"] > X["item"]).float()


def make_model():
    torch.manual_seed(3)
    fields = [SparseFeature(name, VOCAB, embed_dim=4) for name in X]
    return WideDeep(fields, fields, {"dims": [4]})


def split(model):
    """Embedding tables, and the rest."""
    named = list(model.named_parameters())
    tables = [p for name, p in named if "embedding" in name]
    return tables, [p for name, p in named if "embedding" not in name]


def two_groups(model, kind=Adam, lr=0.01, **others):
    tables, rest = split(model)
    groups = [
        {"params": rest, "lr": lr, "name": "network"},
        {"params": tables, "lr": 10 * lr, "name": "tables"},
    ]
    return kind(groups, **others)


def train(tmp_path, optimizer_fn, n_epoch=2, shuffle=False, **options):
    trainer = CTRTrainer(
        make_model(), optimizer_fn=optimizer_fn, n_epoch=n_epoch, model_path=tmp_path, **options
    )
    torch.manual_seed(5)
    loaders = DataGenerator(X, Y).generate_dataloader(X, Y, batch_size=60)
    trainer.fit(loaders[0], loaders[1])
    return trainer


def weights(trainer):
    return dict(trainer.model.state_dict())


def assert_close(found, expected):
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, msg=name)


# The forms in which an optimizer is given


def test_a_function_of_the_model_makes_the_optimizer(tmp_path):
    trainer = train(tmp_path, two_groups, optimizer_params={"lr": 0.05})
    assert [(g["name"], g["lr"]) for g in trainer.optimizer.param_groups] == [
        ("network", 0.05),
        ("tables", 0.5),
    ]


def test_a_function_of_the_model_decides_on_settings_that_are_not_given(tmp_path):
    trainer = CTRTrainer(make_model(), optimizer_fn=two_groups, model_path=tmp_path)
    assert [g["lr"] for g in trainer.optimizer.param_groups] == [0.01, 0.1]
    assert [g["weight_decay"] for g in trainer.optimizer.param_groups] == [0, 0]


@pytest.mark.parametrize(
    "optimizer_fn",
    [
        Adam,
        lambda parameters, lr, weight_decay, foreach: Adam(
            parameters, lr=lr, weight_decay=weight_decay, foreach=foreach
        ),
        lambda parameters, **settings: Adam(parameters, **settings),
        lambda model, **settings: Adam(model.parameters(), **settings),
        partial(Adam, betas=(0.9, 0.999)),
        partial(lambda parameters, kind, **s: kind(parameters, **s), kind=Adam),
        partial(lambda kind, model, **s: kind(model.parameters(), **s), Adam),
    ],
    ids=["class", "function", "keywords", "of the model", "partial", "partial 2", "partial 3"],
)
def test_every_form_trains_to_the_same_weights(tmp_path, optimizer_fn):
    given = {"lr": 0.02, "weight_decay": 1e-4, "foreach": False}  # nor fused, as a class alone is
    trainer = train(tmp_path / "a", optimizer_fn, optimizer_params=given)
    assert_close(weights(trainer), weights(train(tmp_path / "b", Adam, optimizer_params=given)))
    assert trainer.hyperparams()["optimizer"] == "Adam"


@pytest.mark.parametrize(
    ("optimizer_fn", "rate", "decay"),
    [
        (Adam, 1e-3, 1e-5),
        (partial(Adam, lr=0.5), 0.5, 1e-5),
        (lambda parameters: Adam(parameters, lr=0.5), 0.5, 0),
        (lambda parameters, lr: Adam(parameters, lr=lr), 1e-3, 0),
        (lambda parameters, **settings: Adam(parameters, **settings), 1e-3, 1e-5),
        (partial(lambda parameters, lr: Adam(parameters, lr=lr), lr=0.5), 0.5, 0),
    ],
)
def test_without_settings_the_defaults_are_given_to_what_takes_them(
    tmp_path, optimizer_fn, rate, decay
):
    trainer = CTRTrainer(make_model(), optimizer_fn=optimizer_fn, model_path=tmp_path)
    (group,) = trainer.optimizer.param_groups
    assert (group["lr"], group["weight_decay"]) == (rate, decay)


FORMS = ".*a class of torch.optim, .* whose first parameter is called 'model'"


@pytest.mark.parametrize(
    ("optimizer_fn", "params", "message"),
    [
        (lambda m: Adam(m.parameters()), None, "asks the list of parameters for 'parameters'"),
        (lambda m: Adam(m.parameters()), {"lr": 1}, r"cannot be called with the parameters and"),
        (lambda model: Adam(model.parameters()), {"lr": 1}, "cannot be called with the model and"),
        (lambda model: None, None, "made no optimizer, but a NoneType"),
        (lambda parameters: parameters, None, "made no optimizer, but a list"),
        (
            Adam([nn.Parameter(torch.zeros(1))]),
            None,
            "called to make .*, got an Adam that is made",
        ),
        ("adam", None, "must be called to make the optimizer, got 'adam'"),
    ],
)
def test_what_makes_no_optimizer_is_refused_with_the_forms_that_do(
    tmp_path, optimizer_fn, params, message
):
    with pytest.raises(TypeError, match=f"^optimizer_fn.*{message}{FORMS}"):
        CTRTrainer(
            make_model(), optimizer_fn=optimizer_fn, optimizer_params=params, model_path=tmp_path
        )


def test_an_error_inside_of_a_function_is_its_own(tmp_path):
    def broken(model):
        return model.no_such_table

    with pytest.raises(AttributeError, match="no_such_table"):
        CTRTrainer(make_model(), optimizer_fn=broken, model_path=tmp_path)


def test_parameters_that_are_left_out_are_reported(tmp_path, caplog):
    CTRTrainer(make_model(), optimizer_fn=lambda model: Adam(split(model)[1]), model_path=tmp_path)
    (message,) = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert "left out" in message
    assert "embedding" in message


def test_the_weights_of_tasks_are_trained_though_a_function_of_the_model_leaves_them_out(tmp_path):
    tasks = ["classification", "classification"]
    field = SparseFeature("user", VOCAB, embed_dim=4)
    model = SharedBottom([field], tasks, {"dims": [4]}, [{"dims": [4]}, {"dims": [4]}])
    trainer = MTLTrainer(
        model, tasks, optimizer_fn=lambda model: Adam(model.parameters(), lr=0.01), n_epoch=1,
        adaptive_params={"method": "uwl"}, model_path=tmp_path,
    )  # fmt: skip
    assert [g.get("name") for g in trainer.optimizer.param_groups] == [None, "trainer"]
    loaders = DataGenerator({"user": X["user"]}, torch.stack([Y, 1 - Y], 1)).generate_dataloader(
        split_ratio=[0.8, 0.1], batch_size=60
    )
    before = [p.detach().clone() for p in trainer.optimizer.param_groups[1]["params"]]
    trainer.fit(loaders[0], loaders[1])
    after = trainer.optimizer.param_groups[1]["params"]
    assert all(not torch.equal(*pair) for pair in zip(before, after, strict=True))


# Learning rates are recorded


def test_the_rate_of_every_group_is_recorded_each_epoch_by_its_name(tmp_path):
    trainer = train(
        tmp_path,
        two_groups,
        n_epoch=3,
        scheduler_fn=LambdaLR,
        scheduler_params={"lr_lambda": [lambda epoch: 1.0, lambda epoch: 0.5**epoch]},
        model_logger=JSONLLogger(dir=tmp_path / "runs"),
    )
    (run,) = read_runs(tmp_path / "runs")
    recorded = {n: [v for _, v in pairs] for n, pairs in run.metrics.items() if "rate" in n}
    assert recorded == {
        "learning_rate": [0.01] * 3,
        "learning_rate/tables": [0.1, 0.05, 0.025],
    }
    assert [row["learning_rate/tables"] for row in trainer.history] == [0.1, 0.05, 0.025]


def test_a_group_without_a_name_is_recorded_by_its_index_and_names_that_repeat_are_kept_apart(
    tmp_path,
):
    def groups(model):
        names = [{}, {}, {"name": "a"}, {"name": "a"}]
        parts = [list(model.parameters())[i::4] for i in range(4)]
        rates = zip(parts, names, (0.1, 0.2, 0.3, 0.4), strict=True)
        return SGD([{"params": p, "lr": lr, **name} for p, name, lr in rates])

    row = train(tmp_path, groups, n_epoch=1).history[0]
    rates = {name: value for name, value in row.items() if name.startswith("learning_rate")}
    assert rates == {
        "learning_rate": 0.1,
        "learning_rate/1": 0.2,
        "learning_rate/a": 0.3,
        "learning_rate/a_": 0.4,
    }


@pytest.mark.parametrize("update", ["dense", "lazy"])
def test_one_group_has_one_rate_whichever_way_tables_are_updated(tmp_path, update):
    trainer = train(tmp_path, Adam, n_epoch=1, embedding_update=update)
    assert [name for name in trainer.history[0] if "rate" in name] == ["learning_rate"]
    assert "parameter_groups" not in trainer.hyperparams()


def test_other_trainers_record_every_group_too(tmp_path):
    model = RQVAEModel(4, num_emb_list=[2], e_dim=2, layers=[3])

    def groups(model):
        first, *others = model.parameters()
        return Adam([{"params": [first]}, {"params": others, "lr": 0.5, "name": "others"}])

    trainer = RQVAETrainer(model, optimizer_fn=groups, n_epoch=1, model_path=tmp_path)
    trainer.fit([torch.randn(8, 4) for _ in range(2)])
    assert trainer.history[0]["learning_rate/others"] == 0.5


def test_the_settings_of_every_group_are_hyperparameters(tmp_path):
    def groups(model):
        tables, rest = split(model)
        return AdamW(
            [
                {"params": rest, "weight_decay": 0.1},
                {"params": tables, "lr": 0.5, "betas": (0.5, 0.9), "name": "tables"},
            ],
            lr=0.01,
            weight_decay=0.0,
        )

    params = train(tmp_path, groups, n_epoch=1).hyperparams()
    found = {
        name: (g["learning_rate"], g["weight_decay"], g["optimizer_params"]["betas"])
        for name, g in params["parameter_groups"].items()
    }
    assert found == {"0": (0.01, 0.1, (0.9, 0.999)), "tables": (0.5, 0.0, (0.5, 0.9))}
    sizes = [g["n_parameters"] for g in params["parameter_groups"].values()]
    assert sum(sizes) == params["n_parameters"]
    assert (params["optimizer"], params["learning_rate"]) == ("AdamW", 0.01)


# Lazy updates go by the groups of tables


@pytest.mark.parametrize("kind", [SGD, Adagrad, Adam, AdamW])
@pytest.mark.parametrize("form", ["of the model", "of the parameters"])
def test_lazy_updates_of_tables_in_a_group_are_those_of_torch_where_all_rows_are_touched(
    tmp_path, kind, form
):
    def make(model):
        return two_groups(model, kind)

    def run(update):
        model = make_model()
        by_parameters = lambda parameters: make(model)  # noqa: E731
        made_by = make if form == "of the model" else by_parameters
        trainer = CTRTrainer(
            model, optimizer_fn=made_by, n_epoch=3, model_path=tmp_path, embedding_update=update
        )
        loaders = DataGenerator(X, Y).generate_dataloader(X, Y, batch_size=N)
        trainer.fit(loaders[0], loaders[1])
        return trainer

    lazy = run("lazy")
    assert isinstance(lazy.optimizer, JointOptimizer)
    assert lazy.hyperparams()["optimizer"] == kind.__name__
    assert lazy.embedding_update == "lazy"
    assert_close(weights(lazy), weights(run("dense")))


@pytest.mark.parametrize("update", ["lazy", "row_wise"])
def test_the_first_step_of_a_row_is_as_large_as_its_group_says(tmp_path, update):
    model = make_model()
    rows = X["user"][:5]
    before = model.embedding.table("user").detach().clone()
    trainer = CTRTrainer(
        model, optimizer_fn=two_groups, n_epoch=1, model_path=tmp_path, embedding_update=update
    )
    trainer.fit([({name: column[:5] for name, column in X.items()}, Y[:5])])
    moved = (model.embedding.table("user").detach() - before).abs()
    found = moved[rows]  # Adam's first step is lr · sign(g)
    if update == "row_wise":  # with one second moment a row, lr · g / √(mean of g²)
        found = found.square().mean(dim=1).sqrt()
    torch.testing.assert_close(found, torch.full_like(found, 0.1), rtol=0, atol=1e-3)
    others = [row for row in range(VOCAB) if row not in rows.tolist()]
    assert moved[others].eq(0).all()


def test_a_group_that_has_no_lazy_form_is_named(tmp_path):
    for kind, others, reason in (
        (RMSprop, {}, "RMSprop has no lazy form"),
        (Adam, {"amsgrad": True}, "has no amsgrad"),
        (Adam, {"decoupled_weight_decay": True}, "has no decoupled_weight_decay"),
        (SGD, {"momentum": 0.9, "dampening": 0.5}, "has no dampening"),
    ):
        made_by = partial(two_groups, kind=kind, **others)
        with pytest.raises(ValueError, match=f"'lazy' is not possible: .*{reason}"):
            CTRTrainer(
                make_model(), optimizer_fn=made_by, embedding_update="lazy", model_path=tmp_path
            )
        trainer = CTRTrainer(make_model(), optimizer_fn=made_by, model_path=tmp_path)
        assert trainer.embedding_update == "dense"


def test_a_schedule_moves_the_rates_of_lazy_tables(tmp_path):
    options = {
        "scheduler_fn": LambdaLR,
        "scheduler_params": {"lr_lambda": [lambda epoch: 0.5**epoch, lambda epoch: 0.1**epoch]},
        "n_epoch": 3,
    }
    made_by = partial(two_groups, kind=SGD)
    lazy = train(tmp_path / "a", made_by, embedding_update="lazy", **options)
    dense = train(tmp_path / "b", made_by, embedding_update="dense", **options)
    assert_close(weights(lazy), weights(dense))
    rates = [row["learning_rate/tables"] for row in lazy.history]
    assert rates == pytest.approx([0.1, 0.01, 1e-3])


def test_training_in_groups_that_was_interrupted_ends_in_the_very_same_weights(tmp_path):
    def run(folder, n_epoch):
        trainer = CTRTrainer(
            make_model(), optimizer_fn=two_groups, n_epoch=n_epoch, model_path=tmp_path / folder,
            embedding_update="lazy", scheduler_fn=ReduceLROnPlateau,
        )  # fmt: skip
        torch.manual_seed(5)
        train, val, _ = DataGenerator(X, Y).generate_dataloader(X, Y, batch_size=60)
        trainer.fit(train, val, resume=True)
        return trainer

    unbroken = run("a", 4)
    run("b", 2)
    again = run("b", 4)
    for name, value in weights(unbroken).items():
        assert torch.equal(value, weights(again)[name]), name


# One optimizer of several parts


def test_a_part_takes_the_settings_of_the_group_that_is_shown():
    w, v = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
    group = {"params": [w, v], "lr": 0.5, "momentum": 0.0}
    optimizer = JointOptimizer([SGD([w], lr=9.0), SGD([v], lr=9.0)], groups=[group])
    for rate in (0.5, 0.25):
        optimizer.param_groups[0]["lr"] = rate
        before = w.item(), v.item()
        (w + 2 * v).backward()
        optimizer.step()
        optimizer.zero_grad()
        assert before[0] - w.item() == pytest.approx(rate)
        assert before[1] - v.item() == pytest.approx(2 * rate)


def test_parameters_can_be_added_to_shown_groups():
    w, v, u = (nn.Parameter(torch.ones(1)) for _ in range(3))
    optimizer = JointOptimizer(
        [SGD([w], lr=1.0), SGD([v], lr=1.0)], groups=[{"params": [w, v], "lr": 1.0}]
    )
    optimizer.add_param_group({"params": [u], "lr": 0.5})
    assert [len(g["params"]) for g in optimizer.param_groups] == [2, 1]
    optimizer.load_state_dict(optimizer.state_dict())
    optimizer.param_groups[1]["lr"] = 0.25
    u.sum().backward()
    optimizer.step()
    assert u.item() == 0.75


def test_groups_that_do_not_hold_the_parts_are_refused():
    w, v = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
    with pytest.raises(ValueError, match="not all in one of the groups"):
        JointOptimizer([SGD([w, v], lr=1.0)], groups=[{"params": [w]}, {"params": [v]}])
