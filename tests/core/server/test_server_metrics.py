"""GET /metrics: Prometheus's text format."""

import re

import numpy as np
import pytest

from torch_rechub.server.metrics import Histogram, ServerMetrics

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = NAME + r'="(?:[^"\\\n]|\\["\\n])*"'
LINE = re.compile(rf"({NAME})(?:{{({LABEL}(?:,{LABEL})*)}})? (-?[0-9.e+-]+|\+Inf)")


def parsed(text):
    """The samples by name and labels; each line follows the grammar, each family has a type."""
    samples, types = {}, {}
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in types
            types[name] = kind
        elif not line.startswith("# HELP "):
            name, labels, value = LINE.fullmatch(line).groups()
            family = re.sub("_(bucket|sum|count)$", "", name)
            assert name in types or types[family] == "histogram"
            samples[name, labels] = float(value)
    return samples


def test_the_counts_are_those_of_the_requests(serve, bundle_folders):
    client = serve(bundle_folders[0])
    for age in (1, 2, "x", 3):
        client.predict([{"city": "a", "age": age}] * 2)
    client("GET", "/elsewhere")
    response = client("GET", "/metrics")
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    samples = parsed(response.text)
    count = "rechub_requests_total"
    assert samples[count, 'endpoint="/predict",status="200"'] == 3
    assert samples[count, 'endpoint="/predict",status="422"'] == 1
    assert samples[count, 'endpoint="other",status="404"'] == 1
    assert samples["rechub_request_seconds_count", 'endpoint="/predict"'] == 4
    assert samples["rechub_batch_rows_sum", None] == 8
    assert samples["rechub_in_flight_requests", None] == 1  # the one that asks
    assert samples["rechub_queue_requests", None] == 0
    assert samples["process_resident_memory_bytes", None] > 2**20


def test_a_histogram_counts_as_numpy_does():
    values = [*np.random.default_rng(0).exponential(size=500).tolist(), 0.5, 1.0, 2.0]
    histogram = Histogram([0.5, 1.0, 2.0])
    for value in values:
        histogram.add(value)
    samples = parsed("# TYPE a histogram\n" + "\n".join([*histogram.lines("a"), ""]))
    for bound in (0.5, 1.0, 2.0):
        assert samples["a_bucket", f'le="{bound}"'] == (np.array(values) <= bound).sum()
    assert samples["a_bucket", 'le="+Inf"'] == samples["a_count", None] == len(values)
    assert samples["a_sum", None] == pytest.approx(sum(values))


def test_labels_are_escaped():
    text = ServerMetrics().text(0, {"model": 'a"b\\c\nd'})
    assert ("rechub_bundle_info", r'model="a\"b\\c\nd"') in parsed(text)
