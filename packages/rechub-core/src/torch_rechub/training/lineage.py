"""The identity of a training run, and of the run that it continues."""

import secrets
from dataclasses import dataclass, field
from typing import Any

_BYTES = 6


@dataclass
class TrainingRun:
    """A training run, as trackers and bundles record it.

    Attributes:
        run_id: A random id, which a run that is resumed after an interruption keeps.
        parent_run_id: The id of the run that it continues with newer data.
        parent_digest: The digest of the bundle that it started from.

    Example:
        >>> monday = TrainingRun()
        >>> TrainingRun(parent_run_id=monday.run_id).recorded()["parent_run_id"] == monday.run_id
        True
    """

    # of the system's random numbers, so that seeds give the same results with and without an id
    run_id: str = field(default_factory=lambda: secrets.token_hex(_BYTES))
    parent_run_id: str | None = None
    parent_digest: str | None = None

    def next(self) -> "TrainingRun":
        """Return a new run with the same parent."""
        return TrainingRun(parent_run_id=self.parent_run_id, parent_digest=self.parent_digest)

    def recorded(self) -> dict[str, str]:
        """Return the hyper-parameters that identify the run."""
        return {name: value for name, value in vars(self).items() if value is not None}

    def in_bundle(self) -> dict[str, Any]:
        """Return the entry `run` of a bundle."""
        found = {
            "id": self.run_id,
            "parent": self.parent_run_id,
            "parent_digest": self.parent_digest,
        }
        return {name: value for name, value in found.items() if value is not None}
