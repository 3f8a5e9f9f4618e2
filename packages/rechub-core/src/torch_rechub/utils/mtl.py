"""Multi-task helpers by the names that scripts use."""

from ..models.multi_task import AITM, MMOE, PLE, SharedBottom
from ..objectives.balancing.shared_layers import gradnorm, shared_task_layers
from ..optim.meta_balance import MetaBalance

__all__ = ["AITM", "MMOE", "PLE", "MetaBalance", "SharedBottom", "gradnorm", "shared_task_layers"]
