"""The names of seeds."""

SEED_KEYS = ("seed", "random_seed", "torch_seed")
"""Hyper-parameters that make a run a repetition of another, at any depth; trainers record the last,
which is shown where a run has no other."""


def is_seed(name: str) -> bool:
    """Whether a flat name is the name of a seed, at any depth.

    Example:
        >>> is_seed("seed"), is_seed("data/random_seed"), is_seed("seeded")
        (True, True, False)
    """
    return name.rsplit("/", 1)[-1].lower() in SEED_KEYS
