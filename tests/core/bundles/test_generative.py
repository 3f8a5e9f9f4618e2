"""Bundles of TIGER recommend to raw histories the items that the trainer's search finds."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import DataLoader
from transformers import T5Config

from torch_rechub.bundles import BundleError, load_bundle
from torch_rechub.bundles.item_codes import codes_of
from torch_rechub.data.preprocessing import Categorical, Preprocessor
from torch_rechub.models.generative import TIGERModel
from torch_rechub.trainers import TigerTrainer
from torch_rechub.utils.data import TigerSeqDataset

# semantic ids of two codes and of three
NAMES = [f"film {c}" for c in "abcdefghi"]
IDS = {
    name: [f"<a_{i % 3}>", f"<b_{i // 3}>", *(["<c_0>"] if i > 5 else [])]
    for i, name in enumerate(NAMES)
}
LENGTH = 4
USERS = {
    f"u{u}": [NAMES[(u + k) % 9] for k in range(n)] for u, n in enumerate([6, 3, 5, 4, 2, 6, 5])
}


class Case:
    """A trained TIGER, its bundle in the folder, and its data."""

    def __init__(self, folder):
        torch.manual_seed(0)
        self.parts = [TigerSeqDataset(USERS, IDS, LENGTH, mode) for mode in ("train", "test")]
        self.tokenizer = self.parts[0].make_tokenizer()
        collate = self.parts[0].get_collate_fn(self.tokenizer)
        train, self.test = (DataLoader(part, 99, collate_fn=collate) for part in self.parts)
        config = T5Config(
            vocab_size=len(self.tokenizer), d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2,
            dropout_rate=0.0, decoder_start_token_id=0,
        )  # fmt: skip
        model, options = TIGERModel(config), {"lr": 0.01}
        self.trainer = TigerTrainer(
            model, self.parts[0], self.tokenizer, n_epoch=2, optimizer_params=options,
            model_path=folder,
        )  # fmt: skip
        self.trainer.fit(train)
        self.path = folder / "bundle"
        self.trainer.save(self.path, item="film", items=_films(), user="user")
        self.bundle = load_bundle(self.path)

    @torch.no_grad()
    def score(self, history, item):
        """The log probability of an item's tokens, that of the end among them."""
        text = "".join(token for name in history[-LENGTH:] for token in IDS[name])
        inputs = self.tokenizer(text, return_tensors="pt")["input_ids"]
        codes = [*self.tokenizer.convert_tokens_to_ids(IDS[item]), self.tokenizer.eos_token_id]
        logits = self.trainer.model.eval()(input_ids=inputs, labels=torch.tensor([codes])).logits
        rows = logits[0].log_softmax(dim=1)
        return sum(row[code].item() for row, code in zip(rows, codes, strict=True))

    def expected(self, user, allowed, k):
        """The allowed items, best first, by scoring each of them."""
        history = USERS[user][:-1]
        found = sorted((-self.score(history, name), name) for name in allowed)[:k]
        return [name for _, name in found], [-score for score, _ in found]


def _films():
    kinds = ["long" if i % 2 else "short" for i in range(9)]
    return pd.DataFrame({"film": NAMES[::-1], "kind": kinds[::-1]})


def _users():
    """The histories without the last item, which is the target of the test."""
    return [{"user": user, "hist_film": films[:-1]} for user, films in USERS.items()]


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return Case(tmp_path_factory.mktemp("tiger"))


def _lists(found):
    for user, rows in found.groupby("user", sort=False):
        assert rows["rank"].tolist() == list(range(1, len(rows) + 1))
        assert set(rows.source) == {"model"}
        yield user, rows["film"].tolist(), rows.score.to_numpy()


def test_raw_histories_lead_to_the_search_of_the_trainer(case):
    found = case.bundle.recommend(_users(), k=4, num_beams=4, exclude_seen=False)
    expected = case.trainer.recommend(case.test, num_beams=4)
    assert [films for _, films, _ in _lists(found)] == expected


def test_scores_are_log_probabilities_of_the_items_that_are_left(case):
    found = case.bundle.recommend(_users(), k=3, seen={"u0": ["film i"]})
    for user, films, scores in _lists(found):
        seen = {*USERS[user][:-1], *(["film i"] if user == "u0" else [])}
        names, expected = case.expected(user, set(NAMES) - seen, 3)
        assert films == names
        assert scores == pytest.approx(expected, abs=1e-4)


def test_few_beams_suffice_where_few_items_are_left(case):
    """The beams are spent on items that a filter allows and that the user has not seen."""
    allowed = {NAMES[1], NAMES[4], NAMES[8]}
    for chosen in (allowed, lambda films: films.film.isin(allowed)):
        found = case.bundle.recommend(_users(), k=3, num_beams=3, filter=chosen)
        by_user = {user: films for user, films, _ in _lists(found)}
        for user, films in USERS.items():
            left = allowed - set(films[:-1])
            assert by_user.get(user, []) == case.expected(user, left, 3)[0]


def test_a_log_is_read_as_rows_of_users(case):
    log = [(user, film) for user, films in USERS.items() for film in films[:-1]]
    found = case.bundle.recommend(pd.DataFrame(log, columns=["user", "film"]))
    pd.testing.assert_frame_equal(found, case.bundle.recommend(_users()), check_exact=False)


def test_unknown_items_are_skipped_and_unknown_users_receive_popular_items(case):
    users = [
        {"user": "new", "hist_film": ["film a", "not shown", "film b"]},
        {"user": "nobody", "hist_film": ["not shown"]},
    ]
    found = case.bundle.recommend(users, k=2)
    known = case.bundle.recommend([{"user": "new", "hist_film": ["film a", "film b"]}], k=2)
    assert found["film"].tolist()[:2] == known["film"].tolist()
    training = pd.Series([film for films in USERS.values() for film in films[:-2]]).value_counts()
    order = NAMES[::-1]  # that of the table of items
    popular = sorted(order, key=lambda name: -training.get(name, 0))[:2]
    assert found["film"].tolist()[2:] == popular
    assert found.source.tolist() == ["model"] * 2 + ["popularity"] * 2
    assert found.score.tolist()[2:] == [training.get(name, 0) for name in popular]


def test_ids_of_a_preprocessor_become_raw_ids(tmp_path, case):
    preprocessor = Preprocessor([Categorical("film")]).fit({"film": NAMES})
    number = dict(zip(NAMES, preprocessor.encode("film", NAMES).tolist(), strict=True))
    users = {user: [number[film] for film in films] for user, films in USERS.items()}
    ids = {str(number[film]): tokens for film, tokens in IDS.items()}  # as JSON has them
    data = TigerSeqDataset(users, ids, LENGTH)
    trainer = TigerTrainer(
        case.trainer.model, data, data.make_tokenizer(), model_path=tmp_path / "model"
    )
    trainer.save(tmp_path / "b", preprocessor=preprocessor, item="film", user="user")
    found = load_bundle(tmp_path / "b").recommend(_users())
    pd.testing.assert_frame_equal(found, case.bundle.recommend(_users()), check_exact=False)


@pytest.mark.slow
def test_recommendations_in_a_new_process(case):
    """The lines that a user writes."""
    code = f"""
from torch_rechub.bundles import load_bundle
bundle = load_bundle({str(case.path)!r})
users = [{{"hist_film": ["film a", "no film"]}}, {{"hist_film": []}}]
print(bundle.recommend(users, k=2)["source"].tolist())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(["model"] * 2 + ["popularity"] * 2)


def test_items_without_codes_are_only_popular(tmp_path, case):
    films = pd.concat([_films(), pd.DataFrame({"film": ["film z"], "kind": ["long"]})])
    case.trainer.save(tmp_path / "b", item="film", items=films, popularity={"film z": 2})
    bundle = load_bundle(tmp_path / "b")
    found = bundle.recommend([{"hist_film": ["film z", "film a"]}, {"hist_film": ["film z"]}], k=50)
    assert set(found["film"][found.row == 0]) == set(NAMES) - {"film a"}
    assert set(found.source[found.row == 1]) == {"popularity"}
    everything = bundle.recommend([{"hist_film": ["film z"]}], k=1, exclude_seen=False)
    assert everything["film"].tolist() == ["film z"]


def test_items_with_codes_are_among_the_items(tmp_path, case):
    with pytest.raises(KeyError, match="'film a' is not one of the 1 items"):
        case.trainer.save(tmp_path / "b", item="film", items={"film": ["film z"]})


def test_a_tokenizer_that_reads_tokens_otherwise_is_refused(tmp_path, case, monkeypatch):
    def tokenizer(text):
        return {"input_ids": [9, 9]}

    for name in ("convert_tokens_to_ids", "eos_token_id", "pad_token_id"):
        setattr(tokenizer, name, getattr(case.tokenizer, name))
    monkeypatch.setattr(case.trainer.search, "tokenizer", tokenizer)
    with pytest.raises(BundleError, match="the tokenizer reads"):
        case.trainer.save(tmp_path / "b", item="film")


def test_wrong_arguments_are_refused(case):
    with pytest.raises(ValueError, match="num_beams must be at least 5"):
        case.bundle.recommend(_users(), k=5, num_beams=4)
    with pytest.raises(ValueError, match="the model does not know the token '<z>' of item 1"):
        codes_of([["<a>"], ["<a>", "<z>"]], {"<a>": 3})
    assert np.array_equal(codes_of([[], ["<a>"]], {"<a>": 3}), [[-1], [3]])


def test_nobody_and_nothing_have_empty_frames(case):
    for users in ({"user": [], "hist_film": []}, []):
        assert len(case.bundle.recommend(users)) == 0
    assert len(case.bundle.recommend(_users(), filter=[])) == 0
