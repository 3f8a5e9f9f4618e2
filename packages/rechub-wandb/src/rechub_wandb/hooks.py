"""Hooks of wandb: the functions of the process that it replaces, also in forked processes."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch_rechub.basic.tracking.plugin import load_sdk

_SERVICE = "WANDB_SERVICE"


class _Hook:
    """An attribute that wandb replaces once in a process, for good.

    It is put back when no run of wandb is active, and wandb's is put in again for the next run.

    Args:
        owner: What has the attribute.
        name: The attribute; an object that takes it from its class is given it back that way.
    """

    def __init__(self, owner: Any, name: str) -> None:
        self.owner, self.name = owner, name
        self.original: Any = None
        self.wandbs: Any = None

    def get(self) -> Any:
        return vars(self.owner).get(self.name)

    def opened(self, before: Any) -> None:
        now = self.get()
        if now is not before:
            self.original, self.wandbs = before, now
        elif now is self.original and self.wandbs is not None:
            setattr(self.owner, self.name, self.wandbs)

    def closed(self) -> None:
        if self.wandbs is None or self.get() is not self.wandbs:
            return
        if self.original is None:
            delattr(self.owner, self.name)
        else:
            setattr(self.owner, self.name, self.original)


_HOOKS = [_Hook(sys, "excepthook"), _Hook(sys, "exit")]
_connections: list[Any] = []


def load_wandb() -> Any:
    """Import wandb, which replaces the `write` of the standard streams as soon as it is imported.

    Raises:
        ImportError: wandb is missing or broken.
    """
    if "wandb" not in sys.modules:
        streams = (s for s in (sys.stdout, sys.stderr) if hasattr(s, "__dict__"))
        _HOOKS.extend(_Hook(stream, "write") for stream in streams)
    with hooks_followed():
        return load_sdk("wandb", "rechub-wandb")


@contextmanager
def hooks_followed() -> Iterator[None]:
    """In this block wandb may put its hooks in; notice them, and what it sets for its children.

    It tells processes that are started later where its service is, which dies before they do.
    """
    before, service = [hook.get() for hook in _HOOKS], os.environ.get(_SERVICE)
    try:
        yield
    finally:
        for hook, function in zip(_HOOKS, before, strict=True):
            hook.opened(function)
        if service is None:
            os.environ.pop(_SERVICE, None)


def release_hooks() -> None:
    """Take wandb's hooks out; call it when no run of wandb is open."""
    for hook in _HOOKS:
        hook.closed()


def leave_forked_processes_alone(wandb: Any) -> None:
    """Let a process that is forked end without wandb's own end, which only fails there."""
    connection: Any = getattr(wandb.setup(), "_connection", None)
    forget = getattr(connection, "_cleanup", None)
    if forget is None or connection in _connections or not hasattr(os, "register_at_fork"):
        return
    _connections.append(connection)
    os.register_at_fork(after_in_child=forget)
