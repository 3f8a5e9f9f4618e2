"""Models, by task: ranking, matching, multi-task, generative. One paper a file."""

from .._installation import refuse_mixed_installation

refuse_mixed_installation()
