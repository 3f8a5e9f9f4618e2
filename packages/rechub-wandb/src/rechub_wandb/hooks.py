"""Hooks of wandb: the functions of the process that it replaces, including at fork."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch_rechub.basic.tracking.plugin import load_sdk

_SERVICE = "WANDB_SERVICE"


class _Hook:
    """An attribute that wandb replaces once per process, permanently.

    The original is restored when no run of wandb is active, and the hook is installed again for the
    next run.

    Args:
        owner: The object with the attribute.
        name: The attribute; if it came from the class, the instance attribute is deleted again.
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
    if "wandb" in sys.modules:  # its hooks are installed again when a run is opened
        return load_sdk("wandb", "rechub-wandb")
    streams = (s for s in (sys.stdout, sys.stderr) if hasattr(s, "__dict__"))
    _HOOKS.extend(_Hook(stream, "write") for stream in streams)
    with hooks_followed():
        return load_sdk("wandb", "rechub-wandb")


@contextmanager
def hooks_followed() -> Iterator[None]:
    """Record the hooks and environment variables that wandb sets in the block.

    The variables pass the address of wandb's service to child processes, which may outlive it.
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
    """Remove wandb's hooks; call it when no run of wandb is open."""
    for hook in _HOOKS:
        hook.closed()


def leave_forked_processes_alone(wandb: Any) -> None:
    """Disable wandb's exit handler in forked processes, where it fails."""
    connection: Any = getattr(wandb.setup(), "_connection", None)
    forget = getattr(connection, "_cleanup", None)
    if forget is None or connection in _connections or not hasattr(os, "register_at_fork"):
        return
    _connections.append(connection)
    os.register_at_fork(after_in_child=forget)
