"""The loss of a batch as a trainer computes it, from what a loader yields."""

from torch_rechub.data.batch import Batch


def loss_of(trainer, given):
    """The loss: a scalar, or a list of those of tasks."""
    return trainer.losses(Batch.unpacked(given)).losses


def count_of(trainer, given):
    """The number of examples that the loss is the mean of."""
    return trainer.losses(Batch.unpacked(given)).count
