"""Errors that scripts for torch-rechub 0.9 may catch by another name."""


class UnknownChoiceError(ValueError, NotImplementedError):
    """An argument is none of the values it may have; 0.9 raised NotImplementedError there."""
