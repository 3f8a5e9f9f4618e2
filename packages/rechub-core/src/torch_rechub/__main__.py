"""``python -m torch_rechub`` is the command ``rechub``."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
