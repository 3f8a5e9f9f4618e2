"""Multi-task helpers by the names that scripts use."""

from ..basic.metaoptimizer import MetaBalance
from ..models.multi_task import AITM, MMOE, PLE, SharedBottom
from ..trainers.shared_layers import gradnorm, shared_task_layers

__all__ = ["AITM", "MMOE", "PLE", "MetaBalance", "SharedBottom", "gradnorm", "shared_task_layers"]
