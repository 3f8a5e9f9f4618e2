"""Fixtures of tests that train."""

from core.training.click_table import (  # noqa: F401 - fixtures
    data,
    fake_logger,
    loaders,
    make_model,
    make_trainer,
    same_weights,
    saved,
    scores,
)
