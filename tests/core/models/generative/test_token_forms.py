"""Forms of tokens that continue those given, so that no two levels share a token."""

import pytest

from torch_rechub.models.generative.token_forms import forms_of

PREFIX = ["<a_{}>", "<b_{}>", "<c_{}>", "<d_{}>", "<e_{}>"]


@pytest.mark.parametrize(
    ("given", "continued"),
    [
        (PREFIX, ["<f_{}>", "<g_{}>"]),
        (["<a_{}>"], ["<b_{}>", "<c_{}>"]),
        (["<c_{}>", "<b_{}>", "<a_{}>"], ["<d_{}>", "<e_{}>"]),  # never one that is there
        (["<1_{}>", "<2_{}>"], ["<3_{}>", "<4_{}>"]),
        (["<|level9:{}|>"], ["<|level10:{}|>", "<|level11:{}|>"]),
        (["<A{:03d}>"], ["<B{:03d}>", "<C{:03d}>"]),
        (["<y_{}>"], ["<z_{}>", "<z_3_{}>"]),  # the alphabet ends
        (["<genre_{}>", "<mood_{}>"], ["<mood_3_{}>", "<mood_4_{}>"]),  # a word is no label
        (["{}"], ["2_{}", "3_{}"]),
        (["7{}"], ["72_{}", "73_{}"]),  # a number that touches the code would read as part of it
        (["{{{}}}"], ["2_{{{}}}", "3_{{{}}}"]),
        (["<s_{}>", "<s_{}>"], ["<s_{}>", "<s_{}>"]),  # the caller tells levels apart by position
    ],
    ids=str,
)
def test_forms_continue_those_given(given, continued):
    assert forms_of(given, len(given) + 2) == given + continued


@pytest.mark.parametrize("given", [PREFIX, ["{}"], ["7{}"], ["<y_{}>"], ["x{}", "w{}"], ["{}!"]])
def test_no_two_levels_share_a_token(given):
    forms = forms_of(given, 12)
    tokens = [form.format(code) for form in forms for code in range(300)]
    assert len(set(tokens)) == 12 * 300


def test_forms_that_are_enough_are_left_alone():
    assert forms_of(PREFIX, 3) == PREFIX
