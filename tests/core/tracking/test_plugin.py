import pytest

from torch_rechub.basic.tracking.plugin import (
    LegalNames,
    failure_text,
    load_sdk,
    plain_config,
    refuse_unknown_options,
    shortened,
)


def test_the_error_for_a_missing_sdk_has_the_command_that_installs_it():
    with pytest.raises(ImportError, match=r"pip install rechub-none$") as raised:
        load_sdk("no_such_sdk", "rechub-none")
    assert isinstance(raised.value.__cause__, ModuleNotFoundError)


def test_an_unknown_option_without_a_near_one_lists_the_allowed():
    with pytest.raises(TypeError, match=r"unknown option 'zzz'; Allowed options: notes, tags$"):
        refuse_unknown_options("L", {"zzz": 1}, ["tags", "notes"])
    refuse_unknown_options("L", {"tags": 1}, ["tags", "notes"])


def test_a_config_is_made_plain_or_refused():
    assert plain_config("L", None) is None
    assert plain_config("L", {"a": (1,), "password": "x"}) == {"a": [1], "password": "<redacted>"}
    with pytest.raises(TypeError, match="L: config must be a dict or None, got int"):
        plain_config("L", 3)


def test_a_failure_is_one_line_without_secrets(monkeypatch):
    monkeypatch.setenv("MY_TOKEN", "t0ken-value")
    assert failure_text(KeyboardInterrupt()) == "KeyboardInterrupt"
    assert failure_text(OSError("no t0ken-value")) == "OSError: no <redacted>"


def test_two_names_never_become_one_and_each_change_is_logged_once(caplog):
    names = LegalNames("L", lambda name: name.replace(" ", "_"))
    assert [names[n] for n in ("a b", "a_b", "a b", "a  b")] == ["a_b", "a_b_", "a_b", "a__b"]
    assert [record.getMessage() for record in caplog.records] == [
        "L records the metric 'a b' as 'a_b'.",
        "L records the metric 'a_b' as 'a_b_'.",
        "L records the metric 'a  b' as 'a__b'.",
    ]


def test_long_names_are_cut_to_the_length_and_stay_apart():
    cut = {shortened("x" * n, 50) for n in range(50, 60)}
    assert len(cut) == 10
    assert {len(name) for name in cut} == {50}
