"""Times `rechub serve` against a hand-written endpoint of FastAPI and torch, for one DeepFM.

python tests/benchmarks/serving.py --seconds 5 --rounds 3

26 categories of 1 M values in all, 13 numbers, MLP 256-128; the values of requests are drawn from a
Zipf distribution, and 2 % are unknown. The servers answer the same requests in turns, with 1, 16
and 64 clients of 1 and 100 rows, on one thread of torch each; see `serving_by_hand.py` and
`serving_load.py`. A ratio is that of one round to the faster of the two endpoints written by hand.
Then three checks of `rechub serve` under load: reloads, SIGTERM, and memory over `--requests`
requests. The answer is a Markdown table and, in ``--out``, a JSON file.
"""

import argparse
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch

from torch_rechub.bundles import load_bundle
from torch_rechub.data.preprocessing import Categorical, Numeric, Preprocessor
from torch_rechub.models.ranking import DeepFM
from torch_rechub.trainers import CTRTrainer

HERE = Path(__file__).parent
N_IDS, N_NUMBERS = 26, 13
OURS, BY_HAND = "rechub serve", ("by hand, def", "by hand, async def")


def save_bundle(folder: Path, ids: int, seed: int) -> Path:
    """Save a bundle of a DeepFM after one step of training."""
    rng = np.random.default_rng(seed)
    n = ids // N_IDS
    values = np.array([f"{value:08x}" for value in range(n)])
    log: dict[str, Any] = {f"C{i}": rng.permutation(values) for i in range(N_IDS)}
    log |= {f"I{i}": rng.random(n) for i in range(N_NUMBERS)}
    log["click"] = rng.integers(0, 2, n)
    columns = [Categorical(f"C{i}", embed_dim=16) for i in range(N_IDS)]
    numbers = [Numeric(f"I{i}") for i in range(N_NUMBERS)]
    preprocessor = Preprocessor([*columns, *numbers], targets=["click"])
    train = preprocessor.fit_transform(log)
    torch.manual_seed(seed)
    categories = preprocessor.features(*(f"C{i}" for i in range(N_IDS)))
    model = DeepFM(preprocessor.features(), categories, {"dims": [256, 128]})
    weights = folder.parent / "weights"
    trainer = CTRTrainer(model, n_epoch=1, model_path=weights, progress=False)
    trainer.fit(train.loader(batch_size=n))
    trainer.save(folder, preprocessor=preprocessor)
    return folder


def write_bodies(file: Path, ids: int, rows: int, seed: int) -> list[Any]:
    """Write the bodies of requests, one a line; returns their rows."""
    rng, n = np.random.default_rng(seed), ids // N_IDS
    zipf = 1 / np.arange(1, n + 1)
    bodies = []
    for _ in range(4096 if rows == 1 else 64):
        drawn = rng.choice(n, (rows, N_IDS), p=zipf / zipf.sum())
        drawn[rng.random(drawn.shape) < 0.02] += n  # training did not know these
        numbers = rng.random((rows, N_NUMBERS)).round(6)
        bodies.append(
            [
                {f"C{i}": f"{value:08x}" for i, value in enumerate(drawn[row].tolist())}
                | {f"I{i}": value for i, value in enumerate(numbers[row].tolist())}
                for row in range(rows)
            ]
        )
    file.write_text("\n".join(json.dumps({"rows": body}) for body in bodies))
    return bodies


class Server:
    """A server in a process of its own."""

    def __init__(self, name: str, bundle: Path) -> None:
        self.name, self.port = name, _free_port()
        arguments = ["-m", "torch_rechub", "serve", str(bundle), "--port", str(self.port)]
        if name != OURS:
            kind = "async" if "async" in name else "sync"
            arguments = [str(HERE / "serving_by_hand.py"), str(bundle), str(self.port), kind]
        self.process = subprocess.Popen([sys.executable, *arguments], stderr=subprocess.DEVNULL)
        for _ in range(1200):
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            time.sleep(0.1)
        raise TimeoutError(f"{name} does not listen")

    def ask(self, path: str, body: bytes | None = None) -> str:
        """The text of a response."""
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body, headers)
        with urllib.request.urlopen(request) as response:
            return str(response.read().decode())

    def load(self, clients: int, seconds: float, bodies: Path, requests: float = np.inf) -> Any:
        """Start clients; see `serving_load.py`."""
        told = [self.port, clients, seconds, bodies, requests]
        script = [sys.executable, str(HERE / "serving_load.py"), *map(str, told)]
        return subprocess.Popen(script, stdout=subprocess.PIPE)

    def measure(self, *arguments: Any) -> dict[str, Any]:
        """Run clients to their end, and return their report, with the CPU ms of a request."""
        before = self.cpu_seconds()
        found = report(self.load(*arguments))
        found["cpu"] = (self.cpu_seconds() - before) / found["requests"] * 1000
        if found["lost"] or set(found["statuses"]) != {"200"}:
            raise RuntimeError(f"{self.name} failed: {found}")
        return found

    def cpu_seconds(self) -> float:
        """The CPU time of the server so far."""
        times = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return sum(map(int, times[11:13])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> float:
        """The resident memory in MiB."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@contextmanager
def servers(names: Sequence[str], bundle: Path) -> Iterator[list[Server]]:
    """Start servers, and stop them at the end."""
    started: list[Server] = []
    try:
        started += (Server(name, bundle) for name in names)
        yield started
    finally:
        for server in started:
            server.process.terminate()
        for server in started:
            server.process.wait(60)


def report(load: Any) -> dict[str, Any]:
    """The report of clients, when they have ended."""
    found: dict[str, Any] = json.loads(load.communicate(timeout=600)[0])
    return found


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def compare_predictions(started: Sequence[Server], bundle: Path, bodies: list[Any]) -> float:
    """The largest difference between the predictions of the servers, and the bundle's own."""
    expected = load_bundle(bundle).predict(bodies[0])
    body = json.dumps({"rows": bodies[0]}).encode()
    found = [json.loads(server.ask("/predict", body))["predictions"] for server in started]
    return max(float(np.abs(np.array(one) - expected).max()) for one in found)


def measure_speed(
    started: Sequence[Server], bodies: dict[int, Path], options: argparse.Namespace
) -> list[dict[str, Any]]:
    """Measure all servers in turns, with each number of clients and of rows."""
    points = [(rows, clients) for rows in options.rows for clients in options.clients]
    found = []
    for server in started:
        server.measure(4, 2, bodies[options.rows[0]])  # a first load, not counted
    for rows, clients in points:
        for turn in range(options.rounds):
            for server in started:
                one = server.measure(clients, options.seconds, bodies[rows])
                speed = one["requests"] / one["seconds"]
                found.append(
                    {"server": server.name, "rows": rows, "clients": clients, "round": turn,
                     "requests/s": speed, **{key: one[key] for key in ("p50", "p99", "cpu")}}
                )  # fmt: skip
    return found


def table(found: Sequence[dict[str, Any]]) -> str:
    """The medians over rounds as Markdown, and the ratio to the faster endpoint by hand."""
    head = "| rows | clients | server | requests/s | rows/s | p50, ms | p99, ms | CPU, ms | ratio |"
    lines = [head, "| ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |"]
    for point in dict.fromkeys((one["rows"], one["clients"]) for one in found):
        here = [one for one in found if (one["rows"], one["clients"]) == point]
        for name in dict.fromkeys(one["server"] for one in here):
            mine = [one for one in here if one["server"] == name]
            speed, *times = (
                statistics.median(one[key] for one in mine)
                for key in ("requests/s", "p50", "p99", "cpu")
            )
            shown = [*point, name, f"{speed:,.0f}", f"{speed * point[0]:,.0f}"]
            shown += [*(f"{time_:.2f}" for time_ in times), _ratio(mine, here)]
            lines.append(f"| {' | '.join(map(str, shown))} |")
    return "\n".join(lines)


def _ratio(mine: Sequence[dict[str, Any]], here: Sequence[dict[str, Any]]) -> str:
    ratios = []
    for one in mine:
        by_hand = [
            other["requests/s"]
            for other in here
            if other["server"] in BY_HAND and other["round"] == one["round"]
        ]
        if by_hand:
            ratios.append(one["requests/s"] / max(by_hand))
    if not ratios:
        return ""
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"


def check_reloads(bundle: Path, other: Path, bodies: Path) -> dict[str, Any]:
    """Reload under load, with the bundle and another in turns: no request is lost."""
    folder = shutil.copytree(bundle, bundle.parent / "reloaded")
    with servers([OURS], folder) as (server,):
        load, digests = server.load(64, 12, bodies), set()
        for new in (other, bundle, other):
            time.sleep(1.5)
            shutil.rmtree(folder)
            shutil.copytree(new, folder)
            digests.add(json.loads(server.ask("/reload", b""))["digest"])
        found = report(load)
    shutil.rmtree(folder)
    assert len(digests) == 2
    assert (found["lost"], set(found["statuses"])) == (0, {"200"}), found
    return found


def check_stop(bundle: Path, bodies: Path) -> dict[str, Any]:
    """SIGTERM under load: no request is lost, and the exit code is 0."""
    with servers([OURS], bundle) as (server,):
        load = server.load(64, 30, bodies)
        time.sleep(3)
        server.process.send_signal(signal.SIGTERM)
        found = report(load) | {"exit": server.process.wait(60)}
    assert (found["lost"], set(found["statuses"]), found["exit"]) == (0, {"200"}, 0), found
    return found


def check_memory(bundle: Path, bodies: Path, requests: int) -> list[float]:
    """The resident memory in MiB after each tenth of the requests."""
    with servers([OURS], bundle) as (server,):
        found = []
        for _ in range(10):
            server.measure(64, 3600, bodies, requests // 10)
            found.append(round(server.memory(), 1))
        counted = re.search(r'predict",status="200"} (\d+)', server.ask("/metrics"))
    assert counted is not None
    assert int(counted[1]) >= requests * 0.99
    return found


def main() -> None:
    """Run all of it; see the top of the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ids", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 100])
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--checks", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--out", type=Path, default=Path("runs/bench/serving.json"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bundle = save_bundle(folder / "bundle", options.ids, seed=7)
        files = {rows: folder / f"{rows}.txt" for rows in options.rows}
        sent = [write_bodies(file, options.ids, rows, 7) for rows, file in files.items()]
        result: dict[str, Any] = {}
        with servers([OURS, *BY_HAND], bundle) as started:
            result["difference"] = compare_predictions(started, bundle, sent[0])
            result["speed"] = measure_speed(started, files, options)
        print(table(result["speed"]))
        if options.checks:
            other, first = (
                save_bundle(folder / "other", options.ids, seed=8),
                files[options.rows[0]],
            )
            result["reloads"] = check_reloads(bundle, other, first)
            result["stop"] = check_stop(bundle, first)
            result["memory, MiB"] = check_memory(bundle, first, options.requests)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=1))
    del result["speed"]
    print(json.dumps(result))


if __name__ == "__main__":
    main()
