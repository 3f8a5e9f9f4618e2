"""Training processes that are interrupted or killed, as their webhook learns of it."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from core.alerts.loopback import server

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX"),
]

SCRIPT = textwrap.dedent("""
    import os, signal, sys
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have ignored it
    import torch
    from torch_rechub.alerts import Alerts, PlainJSON, RunEnded
    from torch_rechub.basic.features import SparseFeature
    from torch_rechub.models.ranking import LR
    from torch_rechub.trainers import Callback, CTRTrainer
    from torch_rechub.utils.data import DataGenerator


    class Tells(Callback):
        def on_epoch_end(self, row):
            print("epoch", flush=True)


    x = {"user": torch.arange(100) % 10}
    loader, *_ = DataGenerator(x, (x["user"] > 4).int()).generate_dataloader(
        split_ratio=[0.8, 0.1], batch_size=2, num_workers=1
    )
    alerts = Alerts(RunEnded(), PlainJSON(os.environ["HOOK"]), watchdog=True, language="zh")
    trainer = CTRTrainer(
        LR([SparseFeature("user", 10)]), n_epoch=10_000, model_path=sys.argv[1],
        model_logger=alerts, callbacks=[Tells()], progress=False,
    )
    trainer.fit(loader)
""")


@pytest.mark.parametrize(
    ("number", "status", "text"),
    [
        (signal.SIGTERM, "interrupted", "运行被中断（SIGTERM），用时 "),
        (signal.SIGINT, "interrupted", "运行被中断（Ctrl-C），用时 "),
        (signal.SIGKILL, "killed", "进程结束而运行未收尾"),
    ],
)
def test_the_webhook_learns_how_training_ended(number, status, text, tmp_path):
    with server() as (url, received):
        with subprocess.Popen(
            [sys.executable, "-c", SCRIPT, tmp_path], env={**os.environ, "HOOK": url},
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            assert process.stdout.readline() == b"epoch\n"
            process.send_signal(number)
            assert process.wait(60) != 0
        (body,) = received.wait(1)
    assert body["status"] == status
    assert body["text"].startswith(f"[torch_rechub] CTRTrainer LR: {text}")
