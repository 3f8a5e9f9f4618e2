"""For every test: one thread, so that a busy machine does not make small tensors slow."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
