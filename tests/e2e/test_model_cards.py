"""Model cards: the pages say what the docstrings say, of every model, in both languages."""

import json
import re
from pathlib import Path

import pytest
import torch

from core.models.matching_table import MODELS as MATCHING
from torch_rechub.models import generative, matching, multi_task, ranking

DOCS = Path(__file__).parents[2] / "docs"
EXPORTED = {
    name for room in (generative, matching, multi_task, ranking) for name in room.__all__
} | {"dssm_senet.DSSM"}
HEADER = "task,model,metric,mean,sd,seeds,seconds,parameters\n"


@pytest.fixture
def tools(monkeypatch):
    monkeypatch.syspath_prepend(DOCS / "cards")
    import card_pages
    import model_cards

    return card_pages, model_cards


def chinese():
    return json.loads((DOCS / "cards/zh.json").read_text(encoding="utf-8"))["models"]


def cards_of(page: str) -> dict[str, str]:
    """The text of each card by the model's name."""
    _, *parts = re.split(r"^### `(.*)`$", page, flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_the_cards_on_the_pages_are_those_of_the_docstrings(tools):
    for path in tools[0].pages():
        found = path.read_text(encoding="utf-8")
        without_card = EXPORTED - set(cards_of(found))
        expected = tools[0].pages(leave_out=without_card)[path]
        assert found == expected, f"{path} is outdated: run `hatch run cards`"


@pytest.mark.results
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_model_has_a_card(language):
    page = (DOCS / language / "models.md").read_text(encoding="utf-8")
    assert set(cards_of(page)) == EXPORTED


def test_the_sentences_of_the_chinese_page_are_chinese():
    assert chinese()
    assert [name for name, said in chinese().items() if not re.search("[一-鿿].*。$", said)] == []


class Half(torch.nn.Module):
    """Halves.

    ŷ = x / 2

    Half of what came in
    goes out.

    Complexity: O(1).

    Args:
        features: The features to halve, with a_b
            and *c*.

    Shape:
        x: (B,).

    Reference:
        Author, Halves, 2020, arXiv 2001.00001.
    """

    def __init__(self, features, *, by=2.0):
        super().__init__()

    def forward(self, x):
        return x / 2


def test_a_card_holds_the_parts_of_a_docstring(tools):
    card_pages, model_cards = tools
    card = model_cards.read_card("ranking", "Half", Half, {"Half": "减半。"})
    written = {
        language: card_pages.written(card, language, card_pages.read_words(language), {})
        for language in ("en", "zh")
    }
    assert written["en"] == (
        "### `Half`\n\nHalves.\n\n```text\nŷ = x / 2\n```\n\nHalf of what came in goes out.\n\n"
        "- **Paper**: Author, Halves, 2020, [arXiv 2001.00001](https://arxiv.org/abs/2001.00001).\n"
        "- **Trained by**: `CTRTrainer(model)`\n"
        "- **Complexity**: O(1)\n"
        "- **Made by**: `Half(features, *, by=2.0)`\n"
        "- **Inputs and outputs**: x: (B,).\n"
        "- **Arguments**:\n  - `features`: The features to halve, with a_b and \\*c\\*."
    )
    assert written["zh"].startswith(
        "### `Half`\n\n减半。\n\n```text\nŷ = x / 2\n```\n\n- **论文**："
    )
    assert "[英文卡片](../en/models.md#half)" in written["zh"]


@pytest.mark.results
def test_every_model_has_a_chinese_sentence():
    assert set(chinese()) == EXPORTED


def test_a_model_without_a_chinese_sentence_has_the_english_one(tools):
    card = tools[1].read_card("ranking", "Half", Half, {})
    assert card.summary == {"en": "Halves.", "zh": "Halves."}


def test_a_chinese_sentence_of_no_model_is_refused(tools):
    with pytest.raises(ValueError, match="describes NoModel, which is no model: take it out"):
        tools[1].read_cards({**chinese(), "NoModel": "没有。"})


@pytest.mark.parametrize(
    ("part", "needed"),
    [
        ("Complexity: O(1).", "a paragraph 'Complexity"),
        ("ŷ = x / 2", "its formula"),
        ("Args:", "a section 'Args'"),
        ("Shape:", "a section 'Shape'"),
        ("Reference:", "a section 'Reference'"),
    ],
)
def test_a_docstring_that_lacks_a_part_is_refused(tools, part, needed):
    lacking = type("Half", (Half,), {"__doc__": Half.__doc__.replace(part, "")})
    with pytest.raises(ValueError, match=f"docstring of Half needs {needed}"):
        tools[1].read_card("ranking", "Half", lacking, {"Half": "减半。"})


def test_retrieval_models_are_said_to_train_in_the_mode_that_they_are_tested_in(tools):
    models = tools[1].models_of("matching")
    assert {name: tools[1].match_mode(model) for name, model in models.items()} == {
        name: row.mode for name, row in MATCHING.items()
    }


def test_results_are_those_of_the_file_and_of_no_other_model(tools, tmp_path):
    file = tmp_path / "results.csv"
    file.write_text(
        HEADER + "ctr,DeepFM,AUC,0.78854,0.00421,0 1 2,12.345,41234\n"
        "ctr,DeepFM,AUC − LR,0.01,0.0042,0 1 2,12.345,41234\n"
        "ctr,DeepFM,log loss,0.5533,0.0048,0 1 2,12.345,41234\n"
        "retrieval,DeepFM,Recall@10,0.125,,0,,\n"
        "retrieval,popularity,Recall@10,0.1,0,0 1 2,,\n",
        encoding="utf-8",
    )
    english, zh = (cards_of(page) for page in tools[0].pages(file).values())
    assert (
        "- **Result, clicks**: AUC 0.7885 ± 0.0042, log loss 0.5533 ± 0.0048; seeds 0, 1, 2; "
        "12.3 s; 41,234 parameters\n- **Result, retrieval**: Recall@10 0.1250; seeds 0\n"
        in english["DeepFM"]
    )
    assert "- **结果（点击）**：AUC 0.7885 ± 0.0042、log loss" in zh["DeepFM"]
    assert [name for name, card in english.items() if "**Result" in card] == ["DeepFM"]


def test_a_results_file_of_other_columns_is_refused(tools, tmp_path):
    file = tmp_path / "results.csv"
    file.write_text("model,auc\nDeepFM,0.78\n")
    with pytest.raises(ValueError, match=r"must have the columns .*'seeds'.* got .*'auc'"):
        tools[0].pages(file)
