"""Guards against third-party code that exits, or raises errors that cannot be printed."""

import random
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from .redaction import redact

_READ = 2**16  # characters of an error that are searched for secrets
_LONGEST = 2000  # characters of an error that are shown

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def error_text(error: BaseException, form: Callable[[BaseException], str] = str) -> str:
    r"""Return the text of an error, truncated if it is long; never raises.

    Args:
        error: The exception; its ``__str__`` and ``__repr__`` may raise, too.
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
        # redact before truncating: half a secret would not be recognized
        text = redact(form(error)[:_READ])
    except KeyboardInterrupt:
        raise
    except BaseException as fault:
        return f"<its text raises {type(fault).__name__}>"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def undisturbed(call: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Wrap a call that imports an SDK or opens a run, so that it cannot exit the process.

    Python's random state is restored afterwards. Meanwhile it is seeded by the system, so that run
    names which an SDK draws differ between scripts with the same seed.

    Raises:
        RuntimeError: The SDK called `sys.exit`, or raised a BaseException.

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
