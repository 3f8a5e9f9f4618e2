"""For every test: one thread, so that a busy machine does not make small tensors slow; an order."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

# Files with tests of many seconds each; they start first, so that none is left for one process.
LONG = (
    "workspace/test_clean_installs.py",
    "workspace/test_example_plugin.py",
    "core/training/test_options.py",
    "e2e/test_zoo.py",
    "e2e/test_examples.py",
    "e2e/test_demo.py",
    "e2e/test_pages.py",
)


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: not item.path.as_posix().endswith(LONG))
