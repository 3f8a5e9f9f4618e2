"""No secret of what a user logs, or calls a run, is in any file that a tracker leaves behind."""

import sys

import pytest
from backends import BACKENDS, open_logger, read_run
from processes import run_in_a_process

SECRET = "Fak3" + "v4lueNo7h1ng"
OF_THE_ENVIRONMENT = "0f-" + "th3-environment"

CODE = """
import sys
from pathlib import Path
from backends import open_logger
backend, folder, secret = sys.argv[2:5]
secret = secret[::-1]
text = f"password={secret} of https://me:a/{secret}@host"
names = {
    "jsonl": dict(tags=["a", text], notes=text, config={"api_key": secret}),
    "wandb": dict(tags=["a", f"token={secret}"], notes=text, group=text, job_type=text,
                  config={"api_key": secret}),
    "swanlab": dict(tags=["a", text], description=text, group=text, job_type=text,
                    config={"api_key": secret}),
    "tensorboardx": {},
    "mlflow": dict(tags=["a", text], notes=text, group=text, config={"api_key": secret}),
}[backend]
logger = open_logger(backend, folder, **names)
error = OSError(f"no login with {text}")
try:
    with logger:
        logger.log_hyperparams({"url": f"https://me:{secret}@host", "n": {text: text}, "tokens": 5})
        logger.log_metrics({"val/auc": 0.5, f"token={secret}": 1.0}, step=0)
        logger.log_text("model", "x" * 3_000 + text, step=0)
        logger.log_histogram(f"norms token={secret}", [1, 2], [0, 1, 2], step=0)
        raise error
except OSError:
    pass
"""


@pytest.fixture(scope="module", params=BACKENDS)
def recorded(request, tmp_path_factory):
    """A backend, and the folder that it wrote to in a process with secrets everywhere."""
    folder = tmp_path_factory.mktemp(request.param)
    paths = {"PYTHONPATH": ":".join(path for path in sys.path if path)}
    done = run_in_a_process(
        CODE, f"--token={SECRET}", request.param, folder, SECRET[::-1],
        DB_PASS=OF_THE_ENVIRONMENT, **paths,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return request.param, folder, done


def test_no_file_holds_a_secret(recorded):
    _, folder, _ = recorded
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    for secret in (SECRET.encode(), OF_THE_ENVIRONMENT.encode()):
        assert [path for path in files if secret in path.read_bytes()] == []
        assert [path for path in folder.rglob("*") if secret.decode() in str(path)] == []


def test_what_is_no_secret_is_recorded(recorded):
    backend, folder, _ = recorded
    run = read_run(backend, folder)
    assert run.hyperparams["tokens"] == 5
    assert run.hyperparams["url"] == "https://<redacted>@host"
    assert run.metrics["val/auc"] == [(0, 0.5)]
    assert len(run.metrics) == 2


def test_what_was_replaced_in_the_description_of_a_run_is_reported(recorded):
    backend, _, done = recorded
    assert SECRET not in done.stderr
    assert ("are recorded as <redacted>" in done.stderr) == (backend != "tensorboardx")


UNCAUGHT = """
import sys
from backends import open_logger
logger = open_logger(sys.argv[1], sys.argv[2])
raise OSError(f"no answer from https://me:{sys.argv[3][::-1]}@host")
"""


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_error_that_ends_a_script_leaves_no_secret_in_its_run(backend, tmp_path):
    paths = {"PYTHONPATH": ":".join(path for path in sys.path if path)}
    done = run_in_a_process(UNCAUGHT, backend, tmp_path, SECRET[::-1], **paths)
    assert SECRET in done.stderr  # the user's own traceback is the user's
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []


def test_an_id_that_is_a_secret_is_refused_before_a_run_is_opened(tmp_path):
    secret = "gh" + "p_" + SECRET * 2
    for backend in BACKENDS:
        named = {"comment": f"_{secret}"} if backend == "tensorboardx" else {"id": secret}
        message = r"(id|comment)='_?<redacted>' holds a secret"
        with pytest.raises(ValueError, match=message) as raised:
            open_logger(backend, tmp_path, **named)
        assert secret not in str(raised.value)
    assert {path.name for path in tmp_path.iterdir()} <= {"mlflow.db"}  # prepared by the test


def test_a_project_or_a_name_that_holds_a_secret_is_redacted_and_reported(tmp_path, caplog):
    from torch_rechub.basic.tracking import JSONLLogger

    secret = "gh" + "p_" + SECRET * 2
    JSONLLogger(f"p {secret}", f"n {secret}", dir=tmp_path).finish()
    assert "JSONLLogger: secrets in name, project are recorded" in caplog.text
    (file,) = tmp_path.iterdir()
    assert SECRET not in file.name + file.read_text()
