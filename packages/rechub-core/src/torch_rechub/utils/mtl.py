"""Multi-task helpers by the names that scripts use."""

from ..basic.metaoptimizer import MetaBalance
from ..trainers.shared_layers import gradnorm, shared_task_layers

__all__ = ["MetaBalance", "gradnorm", "shared_task_layers"]
