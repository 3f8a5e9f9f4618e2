"""Fingerprints of data: columns, types, rows, labels, split, vocabulary, and the content as hashes.

Runs record them, so that `rechub diff` says whether two runs read the same data, and if not, in
which columns they differ. They hold digests only: no values of the data.
"""

from .fingerprint import Fingerprint, fingerprint
from .hashing import ColumnPrint, TablePrint

__all__ = ["ColumnPrint", "Fingerprint", "TablePrint", "fingerprint"]
