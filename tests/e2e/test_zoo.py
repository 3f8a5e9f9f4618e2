"""The zoo: every model has a place in it, its data leak nothing, and the pages show its table."""

import csv
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

REPOSITORY = Path(__file__).parents[2]
ZOO = REPOSITORY / "examples" / "zoo.py"
CSV = REPOSITORY / "docs" / "results" / "movielens-100k.csv"


@pytest.fixture(scope="module")
def zoo():
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(str(ZOO.parent))
        import zoo

        yield zoo


def run(*arguments):
    done = subprocess.run(
        [sys.executable, ZOO, *map(str, arguments)], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# Data and baselines


def test_a_history_is_what_the_user_liked_before_in_training(zoo):
    rng = np.random.default_rng(0)
    n, length = 300, zoo.ctr.HISTORY
    x = {"user_id": rng.integers(1, 5, n), "item_id": rng.integers(1, 40, n)}
    y, times = rng.integers(0, 2, n), rng.integers(0, 60, n)
    train = rng.permutation(n)[:200]
    found = zoo.ctr.liked_before(x, y, times, train)
    for row in range(n):
        before = [
            (times[i], i)
            for i in train
            if x["user_id"][i] == x["user_id"][row] and y[i] and times[i] < times[row]
        ]
        expected = [x["item_id"][i] for _, i in sorted(before)][-length:]
        assert found["history"][row].tolist() == [0] * (length - len(expected)) + expected
    assert ((found["others"] == 0) == (found["history"] == 0)).all()
    assert found["others"].max() <= x["item_id"].max()


def test_a_row_of_one_split_is_the_same_whatever_columns_a_model_reads(zoo):
    data = zoo.ctr.clicks(0)
    for columns in (["item_id"], ["history", "user_id"]):
        rows = [loader.dataset.indices.numpy() for loader in data.loaders(columns)]
        assert all((found == known).all() for found, known in zip(rows, data.rows, strict=True))
    assert sorted(np.concatenate(data.rows)) == list(range(100_000))


def test_a_model_held_by_decay_begins_with_larger_embeddings(zoo):
    ctr = zoo.ctr
    assert {*ctr.FAST, *ctr.HELD} <= set(ctr.MODELS), "a name of no model has no effect"
    for start in (ctr.START, ctr.START_OF_HELD):
        data = ctr.clicks(0, start)
        for feature in (*data.fields, *data.cross):
            deviation = float(feature.get_embedding_layer().weight.std())
            assert deviation == pytest.approx(start, rel=0.5), feature.name


def test_item_neighbors_are_the_nearest_by_cosine(zoo):
    rng = np.random.default_rng(1)
    matrix = (rng.random((12, 7)) < 0.5).astype(np.float32)
    matrix[:, 3] = 0
    found = zoo.retrieval.item_neighbors(matrix, k=2)
    for j in range(7):
        cosine = {
            i: float(matrix[:, i] @ matrix[:, j])
            / max(float(np.sqrt(matrix[:, i].sum() * matrix[:, j].sum())), 1.0)
            for i in range(7)
            if i != j
        }
        nearest = sorted(cosine, key=lambda i: (-round(cosine[i], 6), i))[:2]
        expected = [cosine[i] if i in nearest else 0.0 for i in range(7)]
        assert found[:, j] == pytest.approx(expected, abs=1e-6)


def test_a_movies_mean_label_leans_to_that_of_all(zoo):
    mean = zoo.ctr.movies_mean_label(np.array([1, 1, 2]), np.array([1.0, 1.0, 0.0]), n_movies=4)
    all_of_them = 2 / 3
    expected = [all_of_them, (2 + all_of_them) / 3, all_of_them / 2, all_of_them]
    assert mean == pytest.approx(expected)


@pytest.mark.parametrize("stride", [10, 50])
def test_pieces_overlap_by_what_the_stride_leaves_and_know_the_movie_after_them(zoo, stride):
    import histories

    users = [np.arange(n) + 1 for n in (124, 1, 2, 50)]
    found = histories.pieces_of(users, stride)
    rows = []
    for movies in map(list, users):
        while len(movies) > 1:
            rows.append(([0] * 50 + movies[:-1])[-50:] + movies[-1:])
            movies = movies[:-stride]
    assert np.column_stack([found["seq"], found["item"]]).tolist() == rows
    assert (found["pos"][:, :-1] == np.where(found["seq"][:, :-1], found["seq"][:, 1:], 0)).all()
    assert (found["pos"][:, -1] == found["item"]).all()


@pytest.fixture
def few_users(zoo, monkeypatch):
    """The task of the next item on ten users; embeddings of movies are those of all."""
    zoo.next_item.embeddings()
    users = zoo.next_item.users()[:10]
    monkeypatch.setattr(zoo.next_item, "users", lambda: users)
    return users


def test_embeddings_of_movies_know_nothing_of_what_is_predicted(zoo):
    users = zoo.next_item.users()[:100]
    found = zoo.next_item.movie_embeddings(users)
    rng = np.random.default_rng(0)
    others = [
        (np.append(movies[:-2], rng.permutation(movies)[:2]), times) for movies, times in users
    ]
    assert found.shape == (1683, 64)
    assert np.array_equal(zoo.next_item.movie_embeddings(others), found)
    others[0] = (users[0][0][5:], users[0][1][5:])
    assert not np.allclose(zoo.next_item.movie_embeddings(others), found)


def test_movies_of_like_titles_and_genres_have_like_embeddings_of_text(zoo):
    from zoo_tasks.movie_embeddings import of_text, texts

    assert texts()[0] == "Toy Story genre_animation genre_childrens genre_comedy 1995 decade_199"
    assert texts()[266] == "unknown genre_unknown"  # has no year
    e = of_text(32)
    star_wars, empire_strikes_back, scream = e[50], e[172], e[288]
    assert star_wars @ empire_strikes_back > 0.5
    assert star_wars @ scream < 0.3


def test_tiger_is_ranked_without_the_last_50_movies_of_each_user(
    zoo, few_users, monkeypatch, tmp_path
):
    from zoo_tasks.runs import Run

    histories = [movies.tolist() for movies, _ in few_users]
    rest = [[f for f in range(1, 1683) if f not in movies] for movies in histories]
    rank = [1, 10, 11, 3, 2, 5, 60, 4, 1, 7]  # of the target

    def recommend(trainer, loader, num_beams):
        assert num_beams == 60
        assert len(loader.dataset) == 10
        return [
            [*movies[-51:-1], *others[: r - 1], movies[-1]]
            for movies, others, r in zip(histories, rest, rank, strict=True)
        ]

    monkeypatch.setattr(zoo.next_item.semantic_ids.TigerTrainer, "recommend", recommend)
    monkeypatch.setattr(zoo.next_item.semantic_ids.TigerTrainer, "fit", lambda *loaders: None)
    found = zoo.next_item.measure("TIGERModel", Run(0, tmp_path, epochs=1)).metrics
    assert found["HR@10"] == pytest.approx(0.8)
    gains = [1 / np.log2(r + 1) for r in rank if r <= 10]
    assert found["NDCG@10"] == pytest.approx(sum(gains) / 10)


# The table


@pytest.fixture
def outcomes(zoo):
    from zoo_tasks.runs import Outcome

    return [Outcome({"AUC": auc}, seconds, 1234) for auc, seconds in ((0.70, 2.0), (0.74, 4.0))]


def test_a_row_has_the_mean_the_sample_standard_deviation_and_the_distance_by_seed(zoo, outcomes):
    base = [replace(outcomes[0], metrics={"AUC": 0.69}), replace(outcomes[1], metrics={"AUC": 0.7})]
    compared = {"AUC": ("LR", base)}
    first, second = zoo.results.rows_of("ctr", "FM", [0, 5], outcomes, compared)
    assert (first.mean, first.sd, first.seeds) == ("0.720000", "0.028284", "0 5")
    assert (first.seconds, first.parameters) == ("3.0", "1234")
    assert (second.metric, second.mean, second.sd) == ("AUC − LR", "0.025000", "0.021213")


def test_new_rows_replace_those_of_the_same_model_and_the_file_keeps_the_order_of_the_zoo(
    zoo, outcomes, tmp_path
):
    path, order = tmp_path / "new" / "table.csv", {"ctr": ["LR", "FM"], "retrieval": ["FM"]}

    def merge(task, model, seeds):
        found = outcomes[: len(seeds)]
        zoo.results.merge(path, zoo.results.rows_of(task, model, seeds, found, {}), order)

    merge("retrieval", "FM", [0, 1])
    merge("ctr", "FM", [0, 1])
    merge("ctr", "LR", [0, 1])
    merge("ctr", "FM", [7])
    with path.open(newline="", encoding="utf-8") as file:
        rows = [
            (row["task"], row["model"], row["seeds"], row["sd"]) for row in csv.DictReader(file)
        ]
    assert rows == [
        ("ctr", "LR", "0 1", "0.028284"),
        ("ctr", "FM", "7", ""),
        ("retrieval", "FM", "0 1", "0.028284"),
    ]


def test_a_page_gets_the_tables_of_its_tasks_between_the_markers(zoo, outcomes):
    rows = zoo.results.rows_of("ctr", "FM", [0, 1], outcomes, {})
    page = "before\n<!-- results of ctr -->\nold\nlines\n<!-- end of results -->\nafter\n"
    written = zoo.results.with_tables(page, rows, "zh")
    assert written.splitlines() == [
        "before",
        "<!-- results of ctr -->",
        "| 模型 | AUC | 种子数 | 秒 | 参数量 |",
        "| --- | ---: | ---: | ---: | ---: |",
        "| FM | 0.7200 ± 0.0283 | 2 | 3 | 1,234 |",
        "<!-- end of results -->",
        "after",
    ]
    assert zoo.results.with_tables(written, rows, "zh") == written


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_pages_show_what_the_file_says(zoo, language):
    page = (REPOSITORY / "docs" / language / "zoo.md").read_text(encoding="utf-8")
    assert zoo.results.with_tables(page, zoo.results.read(CSV), language) == page
    for task in zoo.TASKS:
        assert f"<!-- results of {task} -->" in page


# The command


@pytest.mark.results
def test_every_model_is_measured_by_the_zoo(zoo):
    from torch_rechub.models import generative, matching, multi_task, ranking

    assert set(ranking.__all__) < set(zoo.ORDER["ctr"])
    assert set(matching.__all__) < set(zoo.ORDER["retrieval"])
    assert set(multi_task.__all__) < set(zoo.ORDER["multi-task"])
    assert set(generative.__all__) < set(zoo.ORDER["next-item"])


def test_it_lists_names_and_refuses_others(zoo, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["zoo.py", "--list"])
    zoo.main()
    assert "ctr: movie's mean label, LR, FM" in capsys.readouterr().out
    for wrong, message in (
        (["--models", "MMOE"], "ctr has no model 'MMOE'; it has AFM, AutoInt"),
        (["--epochs", "0"], "--epochs must be at least 1, got 0"),
        (["--jobs", "0"], "--jobs must be at least 1, got 0"),
    ):
        monkeypatch.setattr(sys, "argv", ["zoo.py", "--task", "ctr", *wrong])
        with pytest.raises(SystemExit):
            zoo.main()
        assert message in capsys.readouterr().err


def short_run(task, model, folder, jobs=1):
    """The rows of the table after one epoch, and the files of the runs."""
    table, logs = folder / "table.csv", folder / "logs"
    options = ["--epochs", 1, "--seeds", 0, "--jobs", jobs, "--out", table, "--log-dir", logs]
    printed = run("--task", task, "--models", model, *options)
    assert f"| {model} |" in printed
    with table.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file)), list(logs.glob("*.run.jsonl"))


@pytest.mark.slow
def test_a_run_is_recorded_and_stands_in_the_table_next_to_the_baselines(tmp_path):
    from torch_rechub.runs import read_runs

    rows, files = short_run("ctr", "LR", tmp_path, jobs=2)
    assert [(row["model"], row["metric"]) for row in rows] == [
        ("movie's mean label", "AUC"),
        ("movie's mean label", "log loss"),
        ("LR", "AUC"),
        ("LR", "log loss"),
    ]
    assert all(0.6 < float(row["mean"]) < 0.8 for row in rows)
    assert rows[2]["parameters"] == "2807"  # ids of six columns and of genres, and the bias
    assert len(files) == 2
    recorded = {run.name: run.metrics for run in read_runs(tmp_path / "logs")}
    ((_, auc),) = recorded["ctr-LR-seed0"]["test/AUC"]
    assert f"{auc:.6f}" == rows[2]["mean"]
    assert len(recorded["ctr-LR-seed0"]["val/auc"]) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "model", "n_rows"),
    [
        ("retrieval", "BPRMF", 12),
        ("multi-task", "ESMM", 4),
        ("next-item", "HSTUModel", 4),
        ("next-item", "HLLMModel", 4),
        ("next-item", "RQVAEModel", 4),
    ],
)
def test_each_task_trains_one_of_its_models(task, model, n_rows, tmp_path):
    rows, _ = short_run(task, model, tmp_path)
    assert len(rows) == n_rows
    assert all(0 < float(row["mean"]) < 1 for row in rows)


@pytest.mark.slow
def test_tiger_trains_and_recommends_what_exists(zoo, few_users, monkeypatch, tmp_path):
    from zoo_tasks.runs import Run

    trainer = zoo.next_item.semantic_ids.TigerTrainer
    recommend, found = trainer.recommend, []

    def kept(self, *args, **kwargs):
        found.extend(recommend(self, *args, **kwargs))
        return found

    monkeypatch.setattr(trainer, "recommend", kept)
    outcome = zoo.next_item.measure("TIGERModel", Run(0, tmp_path, epochs=1))
    assert [len(set(movies) & set(range(1, 1683))) for movies in found] == [60] * 10
    assert outcome.seconds > 0
    assert outcome.parameters > 100_000


# Claims of the page


def means(task, metric):
    with CSV.open(newline="", encoding="utf-8") as file:
        rows = [r for r in csv.DictReader(file) if r["task"] == task and r["metric"] == metric]
    return {row["model"]: float(row["mean"]) for row in rows}


@pytest.mark.results
@pytest.mark.parametrize(
    ("task", "metric", "baseline"),
    [
        ("ctr", "AUC", "movie's mean label"),
        ("retrieval", "NDCG@10", "popularity"),
        ("multi-task", "AUC of 4–5 stars", "movie's mean label"),
        ("multi-task", "AUC of 5 stars", "movie's mean label"),
        ("next-item", "NDCG@10", "popularity"),
    ],
)
def test_every_model_of_the_table_is_above_the_trivial_baseline(task, metric, baseline):
    found = means(task, metric)
    assert len(found) > 1
    below = {name: v for name, v in found.items() if name != baseline and v <= found[baseline]}
    assert below == {}


@pytest.mark.results
def test_logistic_regression_is_where_recbole_has_it_and_all_others_above():
    found = means("ctr", "AUC")
    assert found["LR"] == pytest.approx(0.7765, abs=0.005)
    below = {name: v for name, v in found.items() if v < found["LR"]}
    assert set(below) == {"movie's mean label"}


@pytest.mark.results
def test_every_model_of_the_zoo_is_in_the_table(zoo):
    with CSV.open(newline="", encoding="utf-8") as file:
        measured = {(row["task"], row["model"]) for row in csv.DictReader(file)}
    assert measured == {(task, model) for task, models in zoo.ORDER.items() for model in models}


@pytest.mark.results
def test_models_of_sequences_are_where_recbole_and_replications_have_them():
    found = means("retrieval", "unmasked NDCG@10")
    assert found["GRU4Rec"] >= 0.051
    assert found["SASRec"] >= 0.05


@pytest.mark.results
def test_logistic_regression_and_fm_measured_again(tmp_path):
    run("--task", "ctr", "--models", "LR", "FM", "--out", tmp_path / "table.csv")
    with (tmp_path / "table.csv").open(newline="", encoding="utf-8") as file:
        found = {(r["model"], r["metric"]): float(r["mean"]) for r in csv.DictReader(file)}
    assert found["LR", "AUC"] == pytest.approx(0.7765, abs=0.005)
    assert found["FM", "AUC"] == pytest.approx(means("ctr", "AUC")["FM"], abs=0.005)
    assert found["FM", "AUC − LR"] > 0
