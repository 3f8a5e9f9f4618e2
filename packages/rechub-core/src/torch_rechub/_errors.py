"""Exceptions that scripts for torch-rechub 0.9 may catch as another type."""


class UnknownChoiceError(ValueError, NotImplementedError):
    """An argument is not one of the allowed values; 0.9 raised NotImplementedError there."""
