"""The command `rechub`, as a user runs it."""

import csv
import io
import json
import os
import re
import subprocess
import sys
import time

import pytest

from torch_rechub.basic.tracking import JSONLLogger
from torch_rechub.cli import main
from torch_rechub.significance import save_test_values


def record(folder, name, values, error=None, **params):
    logger = JSONLLogger("p", name, params, dir=folder)
    for step, value in enumerate(values):
        logger.log_metrics({"val/auc": value, "train/loss": 1 - value}, step)
    if error:
        logger.log_failure(error)
    logger.finish()


@pytest.fixture
def folder(tmp_path):
    """Two learning rates with two seeds each, and a run that failed."""
    for seed in range(2):
        record(tmp_path / "low", f"low-{seed}", [0.5, 0.6 + seed / 10], lr=0.001, seed=seed)
        record(tmp_path / "high", f"high-{seed}", [0.9, 0.7], lr=0.1, seed=seed)
    record(tmp_path, "精排", [0.4], ValueError("nan"), lr=0.5)
    return str(tmp_path)


def rechub(capsys, *arguments):
    code = main(arguments)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_runs_lists_what_was_recorded(folder, capsys):
    code, out, err = rechub(capsys, "runs", folder)
    lines = [re.split(r"\s{2,}", line) for line in out.splitlines()]
    assert (code, err) == (0, "")
    assert lines[0] == [
        "name", "backend", "project", "status", "started", "epochs", "best val/auc", "at", "last",
        "error",
    ]  # fmt: skip
    assert [line[0] for line in lines[1:]] == ["low-0", "high-0", "low-1", "high-1", "精排"]
    assert lines[2][1:4] + lines[2][5:] == [
        "jsonl", "p", "finished", "2", "0.9000", "0", "0.7000",
    ]  # fmt: skip
    assert (lines[5][3], lines[5][-1]) == ("failed", "ValueError: nan")


def test_compare_ranks_with_mean_and_spread_over_seeds(folder, capsys):
    code, out, err = rechub(capsys, "compare", f"{folder}/low", f"{folder}/high")
    assert (code, err) == (0, "")
    assert out == (
        "#  name       lr  n  seeds     best val/auc             last\n"
        "1  high-*    0.1  2  0,1    0.9000 ± 0.0000  0.7000 ± 0.0000\n"
        "2  low-*   0.001  2  0,1    0.6500 ± 0.0707  0.6500 ± 0.0707\n"
        "\n"
        "val/auc, largest is best; 4 runs in 2 rows\n"
    )


def test_the_metric_and_its_direction_can_be_given(folder, capsys):
    def ranked(*options):
        _, out, _ = rechub(capsys, "compare", folder, "--format", "csv", *options)
        rows = list(csv.DictReader(io.StringIO(out)))
        return [(row["name"], float(row["best"])) for row in rows]

    low, high, failed = ("low-*", 0.35), ("high-*", 0.1), ("精排", 0.6)
    for row, wanted in zip(ranked("--metric", "train/loss"), (high, low, failed), strict=True):
        assert row == (wanted[0], pytest.approx(wanted[1]))
    names = [name for name, _ in ranked("--metric", "train/loss", "--mode", "max")]
    assert names == ["精排", "low-*", "high-*"]
    assert len(ranked("--top", "1")) == 1


def test_the_direction_that_a_run_monitored_decides(tmp_path, capsys):
    record(tmp_path, "a", [0.5, 0.9], monitor="val/auc", monitor_direction="min")
    _, out, _ = rechub(capsys, "compare", str(tmp_path))
    assert "val/auc, smallest is best" in out
    _, out, _ = rechub(capsys, "runs", str(tmp_path), "--format", "json")
    assert json.loads(out)[0]["best"] == 0.5


@pytest.mark.parametrize("command", ["runs", "compare"])
def test_calibration_needs_a_mode(tmp_path, capsys, command):
    logger = JSONLLogger("p", "a", {}, dir=tmp_path)
    logger.log_metrics({"val/calibration": 1.1}, 0)
    logger.finish()
    asked = (command, str(tmp_path), "--metric", "val/calibration")
    code, _, err = rechub(capsys, *asked)
    assert code == 1
    assert "neither the largest nor the smallest value is best: give the mode" in err
    assert rechub(capsys, *asked, "--mode", "min")[0] == 0


def test_json_has_everything_in_full(folder, capsys):
    _, out, _ = rechub(capsys, "compare", folder, "--format", "json")
    found = json.loads(out)
    assert (found["metric"], found["mode"], found["differing"]) == ("val/auc", "max", ["lr"])
    first = found["rows"][0]
    assert (first["hyperparams/lr"], first["n"], first["seeds"]) == (0.1, 2, [0, 1])
    _, out, _ = rechub(capsys, "runs", folder, "--format", "json")
    failed = json.loads(out)[-1]
    assert (failed["name"], failed["error"]) == ("精排", "ValueError: nan")


def test_runs_of_different_ends_show_their_status(folder, capsys):
    _, out, _ = rechub(capsys, "compare", folder, "--format", "markdown")
    header, rule, *rows = [line.strip("| ").split(" | ") for line in out.splitlines()]
    assert header[:4] == ["#", "name", "status", "lr"]
    assert rule[3] == "---:"
    assert rows[-1][:4] == ["3", "精排", "failed", "0.5"]


def test_an_ignored_hyperparameter_makes_no_row(folder, capsys):
    _, out, _ = rechub(capsys, "compare", f"{folder}/low", f"{folder}/high", "--ignore", "lr")
    assert "4 runs in 1 row\n" in out


@pytest.mark.parametrize("ending", ["png", "html"])
def test_a_plot_is_written_where_asked(folder, capsys, tmp_path, ending):
    target = tmp_path / f"out.{ending}"
    code, out, err = rechub(capsys, "compare", folder, "--plot", str(target))
    assert (code, err) == (0, f"rechub: curves drawn in {target}\n")
    assert target.stat().st_size > 5_000
    assert "best val/auc" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["runs", "{}/nowhere"], r"error: no file or folder '.*nowhere'; give the folder of your"),
        (["runs", "{}/empty"], r"error: no runs below .*empty; backends .* here: .*jsonl"),
        (["compare", "{}/empty"], r"error: no runs below .*empty; backends .* here: .*jsonl"),
        (["runs", "{}", "--metric", "auc"], r"metric 'auc'; they have: val/auc, train/loss"),
        (["compare", "{}", "--metric", "auc"], r"metric 'auc'; they have: val/auc, train/loss"),
        (["compare", "{}", "--plot", "a.gif"], r"a \.png or a \.html file, got 'a\.gif'"),
        (["compare", "{}", "--plot", "{}/no/a.html"], r"No such file .*no/a\.html"),
        (["runs", "{}", "--backend", "other"], r"no reader is installed for other; .*jsonl"),
        (["compare", "{}", "--top", "0"], r"--top must be at least 1, got 0"),
    ],
)
def test_what_cannot_be_done_says_why_and_exits_with_1(folder, capsys, arguments, message):
    os.mkdir(f"{folder}/empty")
    code, _, err = rechub(capsys, *(argument.format(folder) for argument in arguments))
    assert code == 1
    assert re.search(message, err)
    assert "Traceback" not in err


@pytest.mark.parametrize("arguments", [[], ["compare"], ["compare", ".", "--mode", "up"], ["x"]])
def test_mistakes_in_the_arguments_exit_with_2(capsys, arguments):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: rechub" in capsys.readouterr().err


def test_help_names_the_commands_the_backends_and_examples(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    out = capsys.readouterr().out
    assert ended.value.code == 0
    for text in ("runs ", "compare ", "jsonl", "rechub compare runs/ --metric val/auc"):
        assert text in out


# As a process


def process(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "torch_rechub", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        check=False,
        timeout=120,
    )


def test_a_file_gets_no_colors_and_a_poor_encoding_no_error(folder):
    done = process("compare", folder, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\x1b" not in done.stdout
    assert b"\\u7cbe" in done.stdout


def test_a_reader_that_stops_early_is_no_error(tmp_path):
    for i in range(300):
        record(tmp_path, f"run-{i}" * 9, [0.5])
    buffered = {name: v for name, v in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with subprocess.Popen(
        [sys.executable, "-m", "torch_rechub", "runs", str(tmp_path), "--format", "json"],
        env=buffered,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as child:
        assert child.stdout.read(1) == b"["
        child.stdout.close()
        assert (child.stderr.read(), child.wait(120)) == (b"", 0)


@pytest.mark.skipif(os.name == "nt", reason="needs a terminal of Unix")
def test_a_terminal_gets_colors_unless_it_asks_for_none(folder):
    import pty

    def in_a_terminal(**environment):
        main_end, other_end = pty.openpty()
        command = [sys.executable, "-m", "torch_rechub", "runs", folder]
        with subprocess.Popen(
            command, stdout=other_end, env={**os.environ, "TERM": "xterm", **environment}
        ) as child:
            child.wait(120)
        os.close(other_end)
        output = os.read(main_end, 65_536)
        os.close(main_end)
        return output

    assert b"\x1b[31mfailed" in in_a_terminal()
    assert b"\x1b" not in in_a_terminal(NO_COLOR="1")


def test_the_command_imports_neither_torch_nor_an_sdk(folder):
    code = (
        "import sys; from torch_rechub.cli import main; main(['compare', sys.argv[1]])\n"
        "heavy = {'torch', 'numpy', 'pandas', 'wandb', 'swanlab', 'tensorboardX', 'matplotlib'}\n"
        "print(heavy & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, folder], capture_output=True, text=True, timeout=120
    )
    assert done.stdout.endswith("\nset()\n")


@pytest.mark.slow
def test_a_thousand_runs_are_compared_in_seconds(tmp_path, capsys):
    for i in range(1_000):
        values = [0.5 + i / 1e4 + step / 1e3 for step in range(100)]
        record(tmp_path / str(i % 20), f"run-{i}", values, lr=i // 10, seed=i % 10)
    began = time.perf_counter()
    _, out, _ = rechub(capsys, "compare", str(tmp_path), "--plot", str(tmp_path / "all.html"))
    seconds = time.perf_counter() - began
    assert "1000 runs in 100 rows" in out
    assert seconds < 30  # about 2 on a laptop


@pytest.fixture
def tested(tmp_path):
    """Three runs with values of twelve users; one has a hostile name, one no values."""
    hits = {"good": [1] * 12, "=old": None, "</td><b>\x1b[2J": [0, 1] * 6}
    for place, (name, values) in enumerate(hits.items()):
        with JSONLLogger("p", name, {"model": name}, dir=tmp_path) as logger:
            logger.log_metrics({"val/hit@1": 0.9 - place / 10}, 0)
            if values is not None:
                file = save_test_values(tmp_path / "v.npz", {"test/hit@1": values})
                logger.log_artifact("test_values", str(file), "test_values")
    return str(tmp_path)


def test_compare_test_shows_difference_interval_p_and_verdict(tested, capsys):
    code, out, err = rechub(capsys, "compare", tested, "--test")
    lines = out.splitlines()
    header = re.split(r"\s{2,}", lines[0])
    assert (code, err) == (0, "")
    test = ["95 % interval", "p", "p Holm", "d_z", "units", "verdict"]
    assert header[-7:] == ["Δ test/hit@1", *test]
    assert re.split(r"\s{2,}", lines[3])[-7:] == [
        "-0.5000", "[-0.7500, -0.2500]", "0.0312", "0.0312", "-0.957", "12 users", "worse",
    ]  # fmt: skip
    assert lines[1].endswith("baseline")
    assert lines[2].endswith("not recorded")
    assert "\x1b" not in out
    assert lines[-3] == (
        "test/hit@1: 1 row tested against #1 good; 95 % intervals, p corrected by Holm"
    )
    assert lines[-2].startswith("one seed: the differences are of the trained models")
    assert lines[-1].startswith("1 without recorded values: Recording(test_values=True)")


def test_compare_test_writes_all_of_it_as_json_csv_and_markdown(tested, capsys):
    _, out, _ = rechub(capsys, "compare", tested, "--test", "--format", "json")
    row = json.loads(out)["rows"][2]
    assert (row["test/verdict"], row["test/p_holm"], row["test/n_units"]) == ("worse", 0.03125, 12)
    _, out, _ = rechub(capsys, "compare", tested, "--test", "--format", "csv")
    table = list(csv.DictReader(io.StringIO(out)))
    assert [r["test/verdict"] for r in table] == ["baseline", "not recorded", "worse"]
    assert table[1]["name"] == "'=old"
    _, out, _ = rechub(capsys, "compare", tested, "--test", "--format", "markdown")
    assert out.count("\n") == 5
    assert "&lt;/td>&lt;b>" in out
    assert "| worse |" in out


def test_compare_test_takes_a_baseline_and_says_what_is_wrong(tested, capsys):
    _, out, _ = rechub(capsys, "compare", tested, "--test", "--baseline", "</td><b>\x1b[2J")
    assert re.split(r"\s{2,}", out.splitlines()[1])[-1] == "better"
    code, _, err = rechub(capsys, "compare", tested, "--baseline", "good")
    assert (code, "give --test too" in err) == (1, True)
    code, _, err = rechub(capsys, "compare", tested, "--test", "--baseline", "\x1b[2J")
    assert (code, "none is called" in err, "\x1b" in err) == (1, True, False)
