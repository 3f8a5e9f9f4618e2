import logging
from types import SimpleNamespace

import pytest

from torch_rechub.basic import tracking
from torch_rechub.basic.tracking import BaseLogger, discovery


class OtherLogger(BaseLogger):
    """Stands for a logger of somebody's package."""


def point(name, dist="someones-package", load=lambda: OtherLogger, value=None):
    value = value or f"{dist}:{name}"
    return SimpleNamespace(name=name, value=value, dist=SimpleNamespace(name=dist), load=load)


@pytest.fixture
def install(monkeypatch):
    """Makes these entry points the installed ones."""

    def entry_points(points):
        def select(group, name=None):
            assert group == "torch_rechub.loggers"
            return [p for p in points if name in (None, p.name)]

        monkeypatch.setattr(discovery.metadata, "entry_points", select)

    return entry_points


def test_a_logger_of_any_package_is_found_by_its_name(install, monkeypatch):
    install([point("OtherLogger")])
    monkeypatch.delitem(vars(tracking), "OtherLogger", raising=False)
    assert tracking.available_loggers() == {"OtherLogger": "someones-package"}
    assert "OtherLogger" in dir(tracking)
    assert tracking.OtherLogger is OtherLogger
    monkeypatch.delitem(vars(tracking), "OtherLogger")


def test_listing_loads_nothing(install):
    install([point("OtherLogger", load=lambda: pytest.fail("loaded"))])
    assert list(tracking.available_loggers()) == ["OtherLogger"]


def test_an_unknown_name_lists_the_known_ones(install):
    install([point("OtherLogger")])
    with pytest.raises(AttributeError, match=r"'NoLogger'; loggers of installed .*: OtherLogger"):
        _ = tracking.NoLogger


@pytest.mark.parametrize(("name", "distribution"), discovery.KNOWN_LOGGERS.items())
def test_a_name_of_the_documentation_imports_without_its_package(install, name, distribution):
    install([])
    logger_class = discovery.find_logger(name)
    assert issubclass(logger_class, BaseLogger)
    assert logger_class.__name__ == name
    with pytest.raises(ImportError, match=f"not installed. .*: pip install {distribution}$"):
        logger_class("x", name="y")


def test_a_broken_package_says_so_when_its_logger_is_created(install):
    def load():
        raise RuntimeError("built for another protobuf")

    install([point("WandbLogger", "rechub-wandb", load)])
    logger_class = discovery.find_logger("WandbLogger")
    with pytest.raises(ImportError, match=r"another protobuf.*pip install rechub-wandb$") as raised:
        logger_class("x")
    assert isinstance(raised.value.__cause__, RuntimeError)


def test_two_packages_with_one_name_are_refused(install):
    install([point("OtherLogger", "one"), point("OtherLogger", "two")])
    with pytest.raises(ImportError, match="registered by several packages: one, two"):
        discovery.find_logger("OtherLogger")


def test_a_package_that_is_found_twice_is_one(install):
    # An editable installation next to a stale one shows the same entry point twice.
    install([point("OtherLogger"), point("OtherLogger")])
    assert discovery.find_logger("OtherLogger") is OtherLogger


def test_private_names_are_not_looked_up(install):
    install([point("_Logger", load=lambda: pytest.fail("loaded"))])
    with pytest.raises(AttributeError):
        _ = tracking._Logger


def test_the_names_of_the_documentation_are_exported():
    assert set(discovery.KNOWN_LOGGERS) | {"BaseLogger"} <= set(tracking.__all__)
    assert logging.getLogger("torch_rechub.tracking").handlers == []
