"""Scripts in a process of their own, which a hang of a tracker cannot take the tests with."""

import os
import subprocess
import sys
import tempfile


def run_in_a_process(code, *args, limit=60, **environment):
    """Run a script within `limit` seconds; return its output and exit code.

    Output goes to files: a process of an SDK that outlives the script would keep pipes open. The
    script starts a service of wandb of its own.
    """
    inherited = {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, args)],
            env={**inherited, **environment},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            check=False,
            timeout=limit,
        )
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(done.args, done.returncode, out.read(), err.read())
