"""Scripts of tests in processes of their own, without seconds of imports for each.

An interpreter that has imported torch and other large packages waits, and forks itself for each
script. To the script it is a Python like any other, from its name `__main__` to its exit code,
signals and `atexit`: it ends where the interpreter ends. Nothing of this repository and no tracker
is imported before the fork. Where forks after imports are unsafe, each script gets a new Python.
"""

import atexit
import gc
import importlib
import json
import os
import select
import subprocess
import sys
import tempfile
import types
from functools import cache
from pathlib import Path
from typing import Any, TextIO

TRAINING = ("torch", "torch._dynamo", "pandas", "sklearn.metrics")  # what training imports
FORKS = sys.platform == "linux"


class Script:
    """A script that runs, as after ``python arguments…``; its output goes to files.

    A process that outlives the script would keep pipes open.

    Args:
        arguments: ``"-c"``, the code and its arguments, or the path of a script and its arguments.
        imported: Modules that are imported already.
        env: Its environment; by default the present one.
        new_session: Whether it is in a session of its own.
    """

    def __init__(self, arguments, imported=TRAINING, env=None, new_session=False):
        self.arguments = list(map(str, arguments))
        self.folder = tempfile.TemporaryDirectory()
        self.files = [str(Path(self.folder.name, name)) for name in ("stdout", "stderr")]
        env = dict(os.environ if env is None else env)
        start = server(imported).start if FORKS else _start
        self.process = start(self.arguments, self.files, env, new_session)

    def end(self, timeout) -> "subprocess.CompletedProcess[str]":
        """Its exit code and output, once it has ended; it is killed after some seconds."""
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        out, err = (Path(f).read_text(encoding="utf-8", errors="replace") for f in self.files)
        self.folder.cleanup()
        return subprocess.CompletedProcess(self.arguments, code, out, err)


def run_script(arguments, timeout=120, **options) -> "subprocess.CompletedProcess[str]":
    """Run a script to its end; see `Script`."""
    return Script(arguments, **options).end(timeout)


def _start(arguments, files, env, new_session):
    with open(files[0], "w") as out, open(files[1], "w") as err:
        return subprocess.Popen(
            [sys.executable, *arguments], env=env, stdin=subprocess.DEVNULL, stdout=out,
            stderr=err, start_new_session=new_session,
        )  # fmt: skip


@cache
def server(imported) -> "Server":
    """The interpreter of this process of pytest that has imported these modules."""
    return Server(imported)


class Server:
    """An interpreter that forks itself for scripts."""

    def __init__(self, imported):
        (theirs, requests), (replies, answers) = os.pipe(), os.pipe()
        self.requests, self.replies = os.fdopen(requests, "w"), os.fdopen(replies)
        self.process = subprocess.Popen(
            [sys.executable, __file__, str(theirs), str(answers), *imported],
            stdin=subprocess.DEVNULL, pass_fds=(theirs, answers), start_new_session=True, cwd="/",
        )  # fmt: skip
        os.close(theirs)
        os.close(answers)
        atexit.register(self.end)

    def end(self) -> None:
        self.requests.close()
        self.process.wait(10)

    def ask(self, **request) -> None:
        self.requests.write(json.dumps(request) + "\n")
        self.requests.flush()

    def start(self, arguments, files, env, new_session) -> "Forked":
        self.ask(arguments=arguments, files=files, env=env, new=new_session, cwd=os.getcwd())
        return Forked(self, int(self.replies.readline()))


class Forked:
    """A process that the server forked."""

    def __init__(self, server, pid):
        self.server, self.pid = server, pid

    def wait(self, timeout) -> int:
        self.server.ask(pid=self.pid)
        if not select.select([self.server.replies], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired("a script", timeout)
        return int(self.server.replies.readline())

    def kill(self) -> None:
        os.kill(self.pid, 9)
        self.server.replies.readline()  # the reply that came too late


# In the interpreter that forks


def serve(requests: TextIO, answers: TextIO) -> dict[str, Any]:
    """Answer requests, until the last; return those for a script in the process that is its own."""
    with requests, answers:
        for line in requests:
            request = json.loads(line)
            if "pid" in request:
                answer = os.waitstatus_to_exitcode(os.waitpid(request["pid"], 0)[1])
            elif not (answer := os.fork()):
                return request
            print(answer, file=answers, flush=True)
    os._exit(0)


def main_of(request: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The code of a script and its namespace, in a process made ready for it."""
    if request["new"]:
        os.setsid()
    os.chdir(request["cwd"])
    for descriptor, path in enumerate(request["files"], start=1):
        opened = os.open(path, os.O_WRONLY | os.O_CREAT)
        os.dup2(opened, descriptor)
        os.close(opened)
    os.environ.clear()
    os.environ.update(request["env"])
    sys.argv = request["arguments"]
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    if sys.argv[0] == "-c":
        sys.path[0], code = "", compile(sys.argv.pop(1), "<string>", "exec")
    else:
        main.__file__ = sys.argv[0]
        sys.path[0] = str(Path(main.__file__).parent)
        code = compile(Path(main.__file__).read_bytes(), main.__file__, "exec")
    sys.path[1:1] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    return code, vars(main)


if __name__ == "__main__":
    for _name in sys.argv[3:]:
        importlib.import_module(_name)
    gc.freeze()  # so that the end of a script does not go through all objects of these modules
    exec(*main_of(serve(*(os.fdopen(int(n), mode) for n, mode in zip(sys.argv[1:3], "rw")))))
