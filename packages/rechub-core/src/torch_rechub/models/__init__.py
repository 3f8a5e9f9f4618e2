"""Models, by task: ranking, matching, multi-task, generative. One paper a file.

A docstring opens with a sentence and the formula. Its "Complexity" is the multiply-adds of a
forward pass for one sample, without looking up embeddings, in the letters of the formula, those of
the arguments, and these: F fields, D the width of an embedding, d all numbers of a row side by
side, L steps of a history, n negatives of a row, V items, T tasks, B rows of a batch, |MLP| the
weights of the networks that the arguments describe.
"""

from .._installation import refuse_mixed_installation

refuse_mixed_installation()
