"""MetaBalance, where scripts for torch-rechub 0.9 import it from."""

from ..optim.meta_balance import MetaBalance

__all__ = ["MetaBalance"]
