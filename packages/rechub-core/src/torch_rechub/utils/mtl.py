"""Multi-task helpers under the names of scripts for 0.9."""

from ..models.multi_task import AITM, MMOE, PLE, SharedBottom
from ..objectives.balancing.shared_layers import gradnorm, shared_task_layers
from ..optim.meta_balance import MetaBalance

__all__ = ["AITM", "MMOE", "PLE", "MetaBalance", "SharedBottom", "gradnorm", "shared_task_layers"]
