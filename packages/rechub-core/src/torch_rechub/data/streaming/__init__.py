"""Training from Parquet files that do not fit in memory: shards, their manifest, the loader."""

from .loader import StreamingLoader
from .sharded_table import ShardedTable
from .writer import ShardWriter

__all__ = ["ShardWriter", "ShardedTable", "StreamingLoader"]
