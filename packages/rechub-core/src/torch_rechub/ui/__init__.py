"""The live page of runs: ``rechub ui``.

The page is served from the standard library. Runs appear and curves grow while training goes on; no
request leaves the machine, and nothing is written.
"""

from .answers import Answers
from .live import LiveRuns
from .server import UIServer

__all__ = ["Answers", "LiveRuns", "UIServer"]
