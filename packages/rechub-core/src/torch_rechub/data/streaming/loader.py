"""`StreamingLoader`: batches of Parquet files that do not fit in memory, shuffled and resumable."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from ..._bounds import refuse_none, whole_number
from ..._extras import require
from ...distributed import process_rank
from ...distributed import world_size as number_of_processes
from .batches import EpochBatches
from .plan import Share
from .source import open_source


class StreamingLoader:
    """Loads batches of Parquet files, with only a few row groups in memory.

    A batch is x, (x, y) or (x, y, weights): x a dict of tensors, y (B,), or (B, T) of T labels.
    Numbers keep their type, but unsigned numbers of 16 bits or more and bools become int64. Lists
    of floats are vectors, all of one length; lists of whole numbers are padded at the end with 0,
    to the longest list of the batch.

    Shuffling permutes the row groups of all files, then the rows of every `buffer_groups` row
    groups. The order is a pure function of the seed and the epoch, for the same files, processes
    and workers. Rows are shared out among the processes and their workers without loss or
    repetition; each process has the same number of batches, of `batch_size` rows of its own.
    A process with one row less than others may end with a batch of one row, or of none.

    Every `iter` begins the next epoch. `state_dict` gives the position in an epoch, from which a
    loader with the same arguments continues after `load_state_dict`: with the same batches, without
    reading the row groups before it.

    Args:
        source: A folder of shards (`ShardWriter`), or Parquet files: a path, a glob, or a list of
            these. Globs are sorted.
        batch_size: Number of rows per batch; the last of each worker may be smaller.
        columns: The columns of inputs; None takes all but labels and weights.
        labels: The column of labels, or several; None takes those of the shards' manifest, and an
            empty list none.
        weight: The column of weights; None takes that of the manifest.
        shuffle: Whether to shuffle in each epoch.
        seed: The seed of shuffling, at least 0; torch's global random state is not used.
        buffer_groups: The number of row groups among which rows are shuffled. Loading takes about
            six times their size in memory.
        num_workers: Number of worker processes; 0 reads in a thread of this process.
        prefetch: The number of buffers that the thread reads ahead; 0 reads without a thread.
        rank: The rank of this process; None asks `torch_rechub.distributed`.
        world_size: The number of processes; None asks `torch_rechub.distributed`. Validation data
            that each process evaluates whole take rank=0, world_size=1.

    Attributes:
        inputs: The columns of inputs.
        labels: The columns of labels.
        weight: The column of weights, or None.
        rows: The number of rows of all files.

    Raises:
        ImportError: pyarrow is missing.
        FileNotFoundError: A file is missing.
        KeyError: A file lacks a column.
        TypeError: A column is not numeric.
        ValueError: A file is damaged or has another schema than the first, or an argument is out
            of range. When rows are read, a value is missing or not finite; the message names file,
            column and row.

    Example:
        >>> import tempfile, pyarrow as pa, pyarrow.parquet
        >>> file = tempfile.mkdtemp() + "/clicks.parquet"
        >>> pa.parquet.write_table(pa.table({"item": [7, 8, 9], "click": [0.0, 1.0, 0.0]}), file)
        >>> loader = StreamingLoader(file, batch_size=2, labels="click")
        >>> list(loader)
        [({'item': tensor([7, 8])}, tensor([0., 1.]...)), ({'item': tensor([9])}, tensor([0.]...))]
        >>> batches = iter(loader)
        >>> _, state = next(batches), loader.state_dict()
        >>> again = StreamingLoader(file, batch_size=2, labels="click")
        >>> again.load_state_dict(state)
        >>> list(again)
        [({'item': tensor([9])}, tensor([0.]...))]
    """

    def __init__(
        self,
        source: Any,
        batch_size: int,
        *,
        columns: Sequence[str] | None = None,
        labels: str | Sequence[str] | None = None,
        weight: str | None = None,
        shuffle: bool = False,
        seed: int = 0,
        buffer_groups: int = 4,
        num_workers: int = 0,
        prefetch: int = 1,
        rank: int | None = None,
        world_size: int | None = None,
    ) -> None:
        require("pyarrow.parquet", "StreamingLoader", "data")
        refuse_none(
            batch_size=batch_size, seed=seed, buffer_groups=buffer_groups,
            num_workers=num_workers, prefetch=prefetch,
        )  # fmt: skip
        self.batch_size: int = whole_number(1, batch_size=batch_size)
        self.shuffle, self.seed = bool(shuffle), int(whole_number(0, seed=seed))
        self.buffer_groups: int = whole_number(1, buffer_groups=buffer_groups)
        self.num_workers: int = whole_number(0, num_workers=num_workers)
        self.prefetch: int = whole_number(0, prefetch=prefetch)
        world = number_of_processes() if world_size is None else world_size
        self.world_size: int = whole_number(1, world_size=world)
        self.rank: int = whole_number(0, rank=process_rank() if rank is None else rank)
        if self.rank >= self.world_size:
            raise ValueError(
                f"rank must be below world_size, got rank={self.rank}, world_size={self.world_size}"
            )
        self._source = open_source(source, columns, labels, weight)
        self._position, self._next = (0, 0), (0, 0)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The columns of inputs."""
        return self._source.inputs

    @property
    def labels(self) -> tuple[str, ...]:
        """The columns of labels."""
        return self._source.labels

    @property
    def weight(self) -> str | None:
        """The column of weights, or None."""
        return self._source.weight

    @property
    def rows(self) -> int:
        """The number of rows of all files."""
        return self._source.rows

    def __len__(self) -> int:
        """The number of batches of an epoch, the same for each process."""
        return self._share(0).batches * self._workers

    def __iter__(self) -> Iterator[Any]:
        epoch, first = self._next
        self._position, self._next = (epoch, first), (epoch + 1, 0)
        return self._counted(epoch, first)

    def _counted(self, epoch: int, first: int) -> Iterator[Any]:
        for number, batch in enumerate(self._loaded(epoch, first), start=first + 1):
            self._position = (epoch, number)
            yield batch
        self._position = (epoch + 1, 0)

    def set_epoch(self, epoch: int) -> None:
        """Begin the next `iter` with this epoch, as trainers do; the order of rows depends on it.

        Raises:
            ValueError: The epoch is below 0.
        """
        self._next = self._position = (int(whole_number(0, epoch=epoch)), 0)

    def state_dict(self) -> dict[str, Any]:
        """The position, (epoch, batches given out), and the arguments that the order depends on."""
        epoch, batches = self._position
        return {"epoch": epoch, "batches": batches, **self._identity()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a position with the next `iter`.

        Raises:
            ValueError: The state is of a loader with other arguments or other files.
        """
        identity = self._identity()
        for name, own in identity.items():
            if state.get(name) != own:
                raise ValueError(
                    f"the state is of a loader with {name}={state.get(name)!r}, but this one has "
                    f"{name}={own!r}, by which its batches are others: use the same arguments and "
                    "files, or begin the epoch anew"
                )
        epoch = int(whole_number(0, epoch=state["epoch"]))
        batches = int(whole_number(0, batches=state["batches"]))
        if batches > len(self):
            raise ValueError(f"the state has {batches} batches given out, of {len(self)}")
        self._next = self._position = (epoch, batches)

    def in_row_order(self) -> "StreamingLoader":
        """Return a loader of all rows in the order of the files, for each process."""
        if not self.shuffle and self.num_workers <= 1 and self.world_size == 1:
            return self
        changes = {"shuffle": False, "num_workers": min(1, self.num_workers)}
        return self._changed(**changes, rank=0, world_size=1)

    def with_batch_size(self, batch_size: int) -> "StreamingLoader":
        """Return a loader of the same rows with another batch size."""
        return self._changed(batch_size=whole_number(1, batch_size=batch_size))

    def _changed(self, **changes: Any) -> "StreamingLoader":
        loader = copy.copy(self)
        vars(loader).update(changes, _position=(0, 0), _next=(0, 0))
        return loader

    def _identity(self) -> dict[str, Any]:
        """The arguments and sizes that the batches depend on."""
        names = ("batch_size", "shuffle", "seed", "buffer_groups", "num_workers", "rank")
        sizes = {"rows": self.rows, "row_groups": sum(len(f.row_groups) for f in self._files)}
        return {name: getattr(self, name) for name in (*names, "world_size")} | sizes

    @property
    def _files(self) -> Any:
        return self._source.files

    @property
    def _workers(self) -> int:
        return max(1, self.num_workers)

    def _share(self, worker: int) -> Share:
        readers = self.world_size * self._workers
        index = self.rank * self._workers + worker
        return Share(self.rows, index, readers, self.batch_size)

    def _loaded(self, epoch: int, first: int) -> Iterator[Any]:
        """The batches from the `first` one on."""
        if self.num_workers == 0:
            return self._batches(0, epoch).read(first, self.prefetch)
        # the seed of workers is drawn from a generator of its own, not from the global one
        batches = _OfWorkers(self, epoch, first)
        return iter(
            DataLoader(
                batches,
                batch_size=None,
                num_workers=self.num_workers,
                collate_fn=_as_is,
                generator=torch.Generator(),
            )
        )

    def _batches(self, worker: int, epoch: int) -> EpochBatches:
        """The batches of a worker."""
        seed = self.seed if self.shuffle else None
        return EpochBatches(self._source, self._share(worker), epoch, seed, self.buffer_groups)


class _OfWorkers(IterableDataset[Any]):
    """The batches of a loader, shared out among the workers of a `DataLoader`.

    A `DataLoader` takes a batch from each worker in turn, from the first worker on. So the worker
    whose turn it is at a position is the first.
    """

    def __init__(self, loader: StreamingLoader, epoch: int, first: int) -> None:
        self.loader, self.epoch, self.first = loader, epoch, first

    def __iter__(self) -> Iterator[Any]:
        n, info = self.loader.num_workers, get_worker_info()
        number = ((0 if info is None else info.id) + self.first) % n
        given = -(-(self.first - number) // n)  # of this worker, before the position
        return self.loader._batches(number, self.epoch).read(given)


def _as_is(batch: Any) -> Any:
    return batch
