"""Data of any kind, read in blocks of rows: tables in memory, and files larger than memory."""

from .blocks import Block, BlockReader, columns_of, read_blocks
from .memory import arrow_column
from .options import Place

__all__ = ["Block", "BlockReader", "Place", "arrow_column", "columns_of", "read_blocks"]
