"""Models, by task: ranking, matching, multi-task, generative. One paper a file.

A docstring opens with a summary and the formula. "Complexity" is the number of multiply-adds of a
forward pass for one sample, without embedding lookups, in the letters of the formula, those of the
arguments, and these: F fields, D the embedding width, d the width of the concatenated inputs, L
history steps, n negatives per row, V items, T tasks, B rows of a batch, |MLP| the number of weights
of the networks that the arguments describe.
"""

from .._installation import refuse_mixed_installation

refuse_mixed_installation()

from .arguments import RecordsArguments, arguments_of  # noqa: E402

__all__ = ["RecordsArguments", "arguments_of"]
