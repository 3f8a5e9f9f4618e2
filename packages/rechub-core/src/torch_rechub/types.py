"""Type aliases of signatures."""

import os
from typing import TypeAlias

FilePath: TypeAlias = str | os.PathLike[str]
