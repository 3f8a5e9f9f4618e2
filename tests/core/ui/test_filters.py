import pytest

from torch_rechub.runs import Run
from torch_rechub.ui.entry import Entry
from torch_rechub.ui.filters import parse, selected

RUNS = [
    Run("DeepFM-1", "jsonl", "1", "ctr", "finished", group="sweep 1", tags=("night", "ctr"),
        hyperparams={"lr": 0.1, "opt": {"name": "Adam"}, "dims": [64, 32], "amp": True},
        metrics={"val/auc": [(0, 0.7), (1, 0.8)], "val/loss": [(0, 0.5), (1, 0.4)]}),
    Run("deepfm-2", "wandb", "2", "ctr", "failed", error="nan in loss", tags=("day",),
        hyperparams={"lr": 0.01, "opt": {"name": "SGD"}, "amp": False},
        metrics={"val/auc": [(0, 0.75)], "val/loss": [(0, 0.6)]}),
    Run("dcn:3", "jsonl", "3", None, "unfinished", hyperparams={
        "lr": "0.1", "none": None, "odd": 'a "b" \\c',
        "trial": {"number": 0, "study": "s", "params": [], "state": "pruned"}}),
]  # fmt: skip
ENTRIES = [Entry(str(number), 1, run) for number, run in enumerate(RUNS, 1)]


def found(text):
    kept = selected(ENTRIES, parse(text), {"val/auc": "max", "val/loss": "min"})
    return "".join(entry.key for entry in kept)


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("", "123"),
        ("  ", "123"),
        ("deepfm", "12"),
        ("DEEP fm-2", "2"),
        ("-deepfm", "3"),
        ("name:fm", "12"),
        ("name=deepfm-2", "2"),
        ("status:failed", "2"),
        ("-status:failed", "13"),
        ("status=pruned", "3"),
        ("backend:jsonl", "13"),
        ("project=ctr", "12"),
        ("tag:night", "1"),
        ("tag=nigh", ""),
        ("tag:nigh", "1"),
        ("-tag:night", "23"),
        ("tag!=night", "23"),
        ('group="sweep 1"', "1"),
        ("group:sweep", "1"),
        ("error:nan", "2"),
        ("epochs>1", "1"),
        ("lr>0.01", "13"),
        ("lr>=0.01", "123"),
        ("lr<0.1", "2"),
        ("lr=0.1", "13"),
        ("lr=1e-1", "13"),
        ("lr!=0.1", "2"),
        ("LR=0.1", "13"),
        ("name:deep lr>0.05", "1"),
        ("opt/name=adam", "1"),
        ("state=pruned", "3"),
        ("amp=true", "1"),
        ("dims:64", "1"),
        ("none=null", "3"),
        ("absent>0", ""),
        ("val/auc>0.75", "1"),
        ("val/auc>=0.75", "12"),
        ("val/loss<0.5", "1"),
        ("lr>-1", "123"),
        ('"dcn:3"', "3"),
        ('"opt/name":SG', "2"),
        (r'odd="a \"b\" \\c"', "3"),
    ],
)
def test_a_filter_keeps_the_runs_that_meet_all_of_its_terms(text, keys):
    assert found(text) == keys


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lr>", "lr>: incomplete"),
        ("lr>fast", "lr>fast: the text after > must be a number"),
        ("tag:", "tag:: incomplete"),
        ('"open', '"open: incomplete'),
        ("=1", "=1: incomplete"),
        ("a " * 51, "at most 50 terms, got 51"),
    ],
)
def test_a_term_that_is_none_says_what_is_wrong(text, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        parse(text)


def test_texts_of_runs_are_never_patterns():
    assert found("name:.*") == found("name:[d") == found("(") == ""
