"""Tables of examples: recommendations of some users, and badly calibrated slices."""

import math
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch

from core.training.click_table import FakeLogger
from torch_rechub.basic.features import SparseFeature
from torch_rechub.basic.tracking import JSONLLogger
from torch_rechub.models.generative import HSTUModel
from torch_rechub.models.matching import DSSM, NeuMF
from torch_rechub.models.multi_task import SharedBottom
from torch_rechub.models.ranking import LR
from torch_rechub.runs import details, read_runs
from torch_rechub.trainers import (
    CTRTrainer,
    Examples,
    MatchTrainer,
    MTLTrainer,
    Recording,
    RetrievalData,
    SeqTrainer,
)
from torch_rechub.training import list_examples, slice_examples
from torch_rechub.training.slice_examples import SliceSums, worst
from torch_rechub.utils.data import SequenceDataGenerator

TITLES = {100 + i: f"title {i}" for i in range(12)}


class Tables(FakeLogger):
    """Notes tables, too."""

    def __init__(self):
        super().__init__()
        self.tables = {}

    def log_table(self, name, columns, rows, step):
        self.tables[name] = [dict(zip(columns, row, strict=True)) for row in rows]
        self.step = step


def match(tmp_path, model_class, wanted, k=4, users=9):
    """A trained retrieval model, its data and the recorded tables."""
    torch.manual_seed(0)
    user, item = SparseFeature("user_id", 300, 4), SparseFeature("item_id", 120, 4)
    if model_class is DSSM:
        model, mode = DSSM([user], [item], {"dims": [4]}, {"dims": [4]}), 0
    else:
        model, mode = NeuMF(user, item, {"dims": [4]}), 0
    draw = np.random.default_rng(0)
    data = RetrievalData(
        users={"user_id": 200 + np.arange(users)},
        items={"item_id": 100 + np.arange(12)},
        relevant=[draw.choice(12, u % 2 * 2, replace=False).tolist() for u in range(users)],
        seen=[draw.choice(12, 3, replace=False).tolist() for u in range(users)],
        k=k,
    )
    x = {
        "user_id": torch.tensor(200 + draw.integers(0, users, 60)),
        "item_id": torch.tensor(100 + draw.integers(0, 12, 60)),
    }
    logger = Tables()
    trainer = MatchTrainer(
        model, mode, n_epoch=1, model_path=tmp_path, model_logger=logger, progress=False,
        retrieval=data, record=Recording(examples=wanted),
    )  # fmt: skip
    trainer.fit([(x, torch.tensor(draw.integers(0, 2, 60)).float())])
    return trainer, data, logger


@pytest.mark.parametrize("model_class", [DSSM, NeuMF])
def test_recommendations_are_those_of_a_loop_over_the_catalog(model_class, tmp_path):
    wanted = Examples(users=2, k=4, titles=TITLES, hash_users=False)
    trainer, data, logger = match(tmp_path, model_class, wanted)
    ids = data.items["item_id"]
    expected = []
    for u in (1, 7):  # of the users 1, 3, 5, 7 with relevant items, the first and the last
        pairs = {"user_id": np.repeat(200 + u, 12), "item_id": ids}
        if model_class is DSSM:
            towers = [
                trainer.inference_embedding(trainer.model, mode, [x], tmp_path)
                for mode, x in (
                    ("user", {"user_id": torch.tensor([200 + u])}),
                    ("item", {"item_id": torch.tensor(ids)}),
                )
            ]
            scores = (towers[1] @ towers[0][0]).tolist()
        else:
            scores = trainer.predict(trainer.model, pairs)
        left = [i for i in range(12) if i not in data.seen[u]]
        best = sorted(left, key=lambda i: -scores[i])[:4]
        rows = [(rank, i, scores[i]) for rank, i in enumerate(best, 1)]
        rows += [(None, i, None) for i in sorted(data.relevant[u]) if i not in best]
        expected += [
            {
                "user": str(200 + u), "rank": rank, "item": 100 + i, "title": f"title {i}",
                "score": None if score is None else pytest.approx(score, abs=1e-5),
                "relevant": i in data.relevant[u],
            }
            for rank, i, score in rows
        ]  # fmt: skip
    assert logger.tables == {"examples/top_k": expected}
    assert logger.step == 0


def test_no_id_of_a_user_is_recorded_unless_asked_for(tmp_path):
    _, _, logger = match(tmp_path, DSSM, Examples(users=9))
    labels = [row["user"] for row in logger.tables["examples/top_k"]]
    assert len(set(labels)) == 4
    assert all(label.startswith("user-") and len(label) == 15 for label in labels)
    cells = {str(cell) for row in logger.tables["examples/top_k"] for cell in row.values()}
    assert not cells & {str(200 + u) for u in range(9)}
    plain, salted = Examples(), Examples(salt="s")
    assert plain.user_label(7) == Examples(k=3).user_label(7) != salted.user_label(7)
    assert "s3cret" not in repr(Examples(salt="s3cret"))


def test_titles_may_be_a_series_or_a_list():
    series = Examples(titles=pd.Series(["a", "b"], index=[7, 9]))
    listed = Examples(titles=np.array(["a", "b"]))
    assert [series.title(i) for i in (7, 9, 1)] == ["a", "b", None]
    assert [listed.title(i) for i in (0, 1, 2, -1, "x")] == ["a", "b", None, None, None]


@pytest.mark.parametrize("exclude_seen", [False, True])
def test_next_items_are_those_with_the_highest_scores(exclude_seen, tmp_path):
    torch.manual_seed(0)
    tokens = torch.randint(1, 20, (40, 6))
    tokens[1] = 0  # without a token
    targets = torch.randint(1, 20, (40,))
    targets[3] = 0  # without a target
    positions, times = torch.arange(6).repeat(40, 1), torch.zeros(40, 6, dtype=torch.int64)
    made = SequenceDataGenerator(tokens, positions, targets, times)
    loader, *_ = made.generate_dataloader(4, split_ratio=(0.8, 0.1, 0.1))
    data = (tokens, positions, times, targets)
    logger = Tables()
    model = HSTUModel(20, d_model=8, n_heads=2, n_layers=1, dqk=4, dv=4, max_seq_len=6)
    trainer = SeqTrainer(
        model, n_epoch=1, model_path=tmp_path, model_logger=logger, progress=False,
        exclude_seen=exclude_seen, record=Recording(examples=Examples(users=3, k=5)),
    )  # fmt: skip
    trainer.fit(loader, [data])
    kept = [0, 2, 4]
    scores = trainer.predict(model, [tuple(column[kept] for column in data)])
    for number, row in enumerate(kept):
        excluded = {0, *tokens[row].tolist()} if exclude_seen else {0}
        left = [i for i in range(20) if i not in excluded]
        best = sorted(left, key=lambda i: -float(scores[number, i]))[:5]
        found = [r for r in logger.tables["examples/top_k"] if r["user"] == f"row {number}"]
        assert [r["item"] for r in found if r["rank"]] == best
        marked = {r["item"] for r in found if r["relevant"]}
        assert marked == {int(targets[row])}


def clicks(n=4000):
    draw = np.random.default_rng(0)
    x = {"user_id": draw.integers(0, 5, n), "city": draw.integers(0, 8, n), "price": draw.random(n)}
    y = (draw.random(n) < 0.1 + 0.1 * x["city"]).astype(np.float32)
    x["price"] = x["price"].astype(np.float32)
    return x, y


def ctr(tmp_path, x, y, wanted, **settings):
    torch.manual_seed(0)
    fields = [SparseFeature("user_id", 5), SparseFeature("city", 8)]
    logger = Tables()
    trainer = CTRTrainer(
        OnIds(fields), n_epoch=1, model_path=tmp_path, model_logger=logger, progress=False,
        record=Recording(examples=wanted), **settings,
    )  # fmt: skip
    train = [({name: torch.tensor(v[:40]) for name, v in x.items()}, torch.tensor(y[:40]))]
    trainer.fit(train, (x, y))
    return trainer, logger


class OnIds(torch.nn.Module):
    """A logistic regression on ids."""

    def __init__(self, fields):
        super().__init__()
        self.tables = torch.nn.ModuleDict(
            {field.name: torch.nn.Embedding(field.vocab_size, 1) for field in fields}
        )

    def forward(self, x):
        return torch.sigmoid(sum(self.tables[n](x[n]) for n in self.tables)).squeeze(1)


@pytest.mark.parametrize("weighted", [False, True])
def test_slices_are_those_of_a_group_by(weighted, tmp_path):
    x, y = clicks()
    settings = {}
    if weighted:
        x["w"] = np.random.default_rng(1).random(len(y)).astype(np.float32)
        settings = {"weight_column": "w", "metrics": ("log_loss",)}
    wanted = Examples(slices=6, min_rows=300, names={"city": {3: "Rome"}})
    trainer, logger = ctr(tmp_path, x, y, wanted, **settings)
    table = pd.DataFrame({**x, "y": y})
    table["p"] = trainer.predict(trainer.model, x)
    table["w"] = x.get("w", np.ones(len(y)))
    expected = []
    for column in ("user_id", "city"):
        for value, part in table.groupby(column):
            w, p, observed = part.w, part.p, part.y
            n, wp, wy = w.sum(), (w * p).sum(), (w * observed).sum()
            log_odds = math.log(wp / (n - wp)) - math.log((wy + 0.5) / (n + 0.5 - wy))
            z = (wy - wp) / math.sqrt((w * w * p * (1 - p)).sum())
            label = Examples().user_label(value) if column == "user_id" else str(value)
            label = "Rome" if (column, value) == ("city", 3) else label
            if len(part) >= 300:
                expected.append((column, label, len(part), wp / n, wy / n, log_odds, z))
    expected.sort(key=lambda row: -abs(row[-1]))
    assert len(expected) > 6
    rows = [tuple(row.values()) for row in logger.tables["examples/slices"]]
    assert [row[:3] for row in rows] == [row[:3] for row in expected[:6]]
    for found, row in zip(rows, expected[:6], strict=True):
        assert found[3:] == pytest.approx(row[3:], rel=1e-4)


def test_values_of_the_column_of_groups_are_users(tmp_path):
    x, y = clicks(1000)
    wanted = Examples(min_rows=1)
    _, logger = ctr(tmp_path, x, y, wanted, group_column="city", metrics=("gauc",))
    assert all(row["value"].startswith("user-") for row in logger.tables["examples/slices"])


def test_each_classification_has_slices_and_missing_labels_do_not_count(tmp_path):
    x, y = clicks(600)
    labels = np.stack([y, y, y * 2], axis=1)
    labels[:200, 1] = np.nan
    types = ["classification", "classification", "regression"]
    field = SparseFeature("city", 8, 4)
    model = SharedBottom([field], types, {"dims": [4]}, [{"dims": [4]}] * 3)
    logger = Tables()
    trainer = MTLTrainer(
        model, types, n_epoch=1, model_path=tmp_path, model_logger=logger, progress=False,
        record=Recording(examples=Examples(min_rows=1, slices=99)),
    )  # fmt: skip
    data = {"city": torch.tensor(x["city"])}, torch.tensor(labels)
    trainer.fit([data], [data])
    assert logger.tables.keys() == {"examples/task_0_slices", "examples/task_1_slices"}
    for task, rows in (("0", x["city"]), ("1", x["city"][200:])):
        counts = {r["value"]: r["rows"] for r in logger.tables[f"examples/task_{task}_slices"]}
        assert counts == Counter(map(str, rows))


def test_sums_of_many_batches_are_merged(monkeypatch):
    monkeypatch.setattr(slice_examples, "_PENDING", 5)
    draw, sums, expected = np.random.default_rng(0), SliceSums(), Counter()
    for _ in range(50):
        values, numbers = draw.integers(0, 30, 7), draw.integers(0, 9, 7)
        sums.add(values, numbers[None].astype(float))
        for value, number in zip(values.tolist(), numbers.tolist(), strict=True):
            expected[value] += number
        assert len(sums._parts) < 9
    values, (totals,) = sums.result()
    assert dict(zip(values.tolist(), totals.tolist(), strict=True)) == expected


def test_slices_of_certain_predictions_have_an_error_without_bounds():
    #                rows, w, w p, w y, w² p (1 − p): right and wrong with certainty
    sums = np.array([[9, 9], [9, 9], [9, 9], [9, 8], [0, 0.0]])
    found = worst(np.array([1, 2]), sums, 5, 1)
    assert [(row[0], row[-1]) for row in found] == [(2, -math.inf), (1, 0.0)]


def test_tables_are_read_back_from_a_run(tmp_path):
    x, y = clicks(600)
    torch.manual_seed(0)
    trainer = CTRTrainer(
        OnIds([SparseFeature("city", 8)]), n_epoch=1, model_path=tmp_path, progress=False,
        model_logger=JSONLLogger(dir=tmp_path / "runs"),
        record=Recording(examples=Examples(min_rows=1, names={"city": ["<b>", "api_key=s3cret"]})),
    )  # fmt: skip
    data = {"city": torch.tensor(x["city"])}, torch.tensor(y)
    trainer.fit([data], [data])
    (run,) = read_runs(tmp_path / "runs")
    (table,) = details(run).tables
    assert table.name == "examples/slices"
    assert {row[1] for row in table.rows} == {"<b>", "api_key=<redacted>", *map(str, range(2, 8))}


def test_data_without_examples_are_reported(tmp_path, caplog):
    x, y = clicks(100)
    data = {"city": torch.tensor(x["city"])}, torch.tensor(y)
    trainer = CTRTrainer(
        LR([SparseFeature("city", 8)]), n_epoch=1, model_path=tmp_path, progress=False,
        model_logger=FakeLogger(), record=Recording(examples=Examples()),
    )  # fmt: skip
    trainer.fit([data])
    assert "There are no examples to record" in caplog.text


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"users": -1}, ValueError, "users must be at least 0"),
        ({"k": 0}, ValueError, "k must be at least 1"),
        ({"k": None}, TypeError, "k must be a number, got None"),
        ({"titles": "movies"}, TypeError, "titles must be a dict of ids to texts.* got str"),
        ({"titles": 7}, TypeError, "titles must be a dict of ids to texts.* got int"),
        ({"names": ["a"]}, TypeError, "names must be a dict of columns, got list"),
        ({"names": {"city": "x"}}, TypeError, r"names\['city'\] must be a dict"),
        ({"hash_users": "no"}, ValueError, "hash_users must be True or False"),
        ({"salt": 3}, TypeError, "salt must be a text, got a int"),
    ],
)
def test_wrong_options_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        Examples(**options)


def test_recording_takes_examples_only():
    with pytest.raises(TypeError, match="examples must be an Examples or None, got True"):
        Recording(examples=True)


def test_an_unknown_column_of_ids_is_named(tmp_path):
    with pytest.raises(KeyError, match="users have no column 'uid' of ids; columns: user_id"):
        match(tmp_path, DSSM, Examples(user="uid"))


def test_columns_of_ids_may_be_those_of_any_table():
    arrow = pytest.importorskip("pyarrow")
    columns = {"a": [5, 6], "b": [7, 8]}
    tables = [columns, pd.DataFrame(columns), arrow.table(columns)]
    tables += [{name: np.array(column) for name, column in columns.items()}]
    for table in tables:
        assert list_examples._ids(table, None, 2) == [5, 6]
        assert list_examples._ids(table, "b", 2) == [7, 8]
    assert list_examples._ids([{"a": 1}], None, 2) == [0, 1]


@pytest.mark.slow
@pytest.mark.parametrize("exclude_seen", [False, True])
def test_generated_items_are_those_of_recommend(exclude_seen, tmp_path):
    transformers = pytest.importorskip("transformers")
    from torch.utils.data import DataLoader

    from torch_rechub.models.generative import TIGERModel
    from torch_rechub.trainers import TigerTrainer
    from torch_rechub.utils.data import TigerSeqDataset

    torch.manual_seed(0)
    ids = {item: [f"<a_{item % 3}>", f"<b_{item // 3}>"] for item in range(9)}
    users = {user: [user % 9, 4, 7, user % 5] for user in range(20)}
    parts = [TigerSeqDataset(users, ids, 20, mode) for mode in ("train", "valid")]
    tokenizer = parts[0].make_tokenizer()
    collate = parts[0].get_collate_fn(tokenizer)
    train, val = (DataLoader(part, 10, collate_fn=collate) for part in parts)
    config = transformers.T5Config(
        vocab_size=len(tokenizer), d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2,
        decoder_start_token_id=0,
    )  # fmt: skip
    logger = Tables()
    wanted = Examples(users=3, k=4, titles={item: f"t{item}" for item in range(9)})
    trainer = TigerTrainer(
        TIGERModel(config), parts[0], tokenizer, n_epoch=1, model_path=tmp_path,
        model_logger=logger, progress=False, exclude_seen=exclude_seen, num_beams=9,
        record=Recording(examples=wanted),
    )  # fmt: skip
    trainer.fit(train, val)
    found = trainer.recommend(val, num_beams=9)[:3]
    for user, items in enumerate(found):
        history = users[user][:-2]
        left = [item for item in items if not exclude_seen or item not in history][:4]
        rows = [r for r in logger.tables["examples/top_k"] if r["user"] == f"row {user}"]
        assert [r["item"] for r in rows if r["rank"]] == left
        assert {r["item"] for r in rows if r["relevant"]} == {users[user][-2]}
        assert all(r["title"] == f"t{r['item']}" for r in rows)


def test_columns_of_users_are_known_by_name():
    wanted = Examples()
    users = ("user", "USER_ID", "userid", "uid", "member_no", "device_id", "用户", "用户编号")
    others = ("city", "user_gender", "device", "session_length", "item_id", "number_of_users")
    hashed = {n for n in (*users, *others) if wanted.value_label(n, 3, False).startswith("user-")}
    assert hashed == set(users)
    assert wanted.value_label("city", 3, True).startswith("user-")
