"""Faults of other code that a training run must survive: exits, errors that cannot be shown."""

import random
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from .redaction import redact

_READ = 2**16  # characters of an error that are looked through for secrets
_LONGEST = 2000  # characters of an error that are worth reading

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def error_text(error: BaseException, form: Callable[[BaseException], str] = str) -> str:
    r"""The text of an error, cut if it is long; never an error itself.

    Args:
        error: Whatever was raised: its ``__str__`` and ``__repr__`` may raise, too.
        form: `str`, or `repr`.

    Example:
        >>> error_text(ValueError("loss is nan"), repr)
        "ValueError('loss is nan')"
        >>> class Mute(Exception):
        ...     def __str__(self):
        ...         raise RuntimeError
        >>> error_text(Mute())
        '<its text raises RuntimeError>'
    """
    try:
        text = redact(form(error)[:_READ])  # before it is cut: half a secret is not found
    except KeyboardInterrupt:
        raise
    except BaseException as fault:
        return f"<its text raises {type(fault).__name__}>"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def undisturbed(call: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """`call`, which imports an SDK or opens a run of it, but does not end the process.

    Nor does it change Python's random state, which is put back; meanwhile it is one of the
    system's, so that names which an SDK invents differ in scripts of one seed.

    Raises:
        RuntimeError: The SDK called `sys.exit`, or raised what is no Exception.

    Example:
        >>> random.seed(0)
        >>> state = random.getstate()
        >>> _ = undisturbed(random.random)()
        >>> random.getstate() == state
        True
    """

    @wraps(call)
    def wrapped(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        state = random.getstate()
        random.seed()
        try:
            return call(*args, **kwargs)
        except (Exception, KeyboardInterrupt):
            raise
        except BaseException as error:
            name = getattr(call, "__qualname__", repr(call))
            raise RuntimeError(f"{name} raised {error_text(error, repr)}.") from error
        finally:
            random.setstate(state)

    return wrapped
