"""Formats of the tokens of semantic ids, such as "<a_{}>" for the first level."""

import re
from collections.abc import Sequence

# the label before the code: a number that does not touch it, or a single letter
_LABEL = re.compile(r"([0-9]+(?=[^0-9{}]+\{)|(?<![A-Za-z])[A-Za-z](?=[^A-Za-z0-9{}]*\{))")


def forms_of(prefix: Sequence[str] | None, levels: int) -> list[str]:
    """Return a format for each level: the given ones, continued for additional levels.

    The label before the code, a letter or a number, is incremented: "<c_{}>" is followed by
    "<d_{}>", "c3:{}" by "c4:{}". A format without such a label, or with the last letter, gets a
    number before its code. Generated formats are unique, unless all given formats are the same;
    then they are repeated.

    Args:
        prefix: The given formats.
        levels: Number of levels.

    Raises:
        ValueError: `prefix` is empty, or a format lacks the placeholder "{}".

    Example:
        >>> forms_of(["<a_{}>", "<b_{}>"], 4)
        ['<a_{}>', '<b_{}>', '<c_{}>', '<d_{}>']
    """
    forms = [] if prefix is None or isinstance(prefix, str) else list(prefix)
    for form in forms:
        if not _has_a_place(form):
            raise ValueError(
                f"each form in prefix must have one place for the code, such as '<a_{{}}>', got "
                f"{form!r}"
            )
    if not forms:
        raise ValueError(f"prefix must be a list of forms, such as ['<a_{{}}>'], got {prefix!r}")
    same = len(forms) > 1 and len(set(forms)) == 1
    while len(forms) < levels:
        forms.append(forms[-1] if same else _next(forms))
    return forms


def _has_a_place(form: str) -> bool:
    try:
        return form.format(0) != form.format(1)
    except (AttributeError, IndexError, KeyError, ValueError):
        return False


def _next(forms: Sequence[str]) -> str:
    """A format that continues the last one and differs from all of them."""
    form = forms[-1]
    while found := _LABEL.search(form):
        label = found[1]
        if label in "zZ":
            break
        following = str(int(label) + 1) if label.isdigit() else chr(ord(label) + 1)
        form = form[: found.start(1)] + following + form[found.end(1) :]
        if form not in forms:
            return form
    number = len(forms) + 1
    while (form := forms[-1].replace("{", f"{number}_{{", 1)) in forms:
        number += 1
    return form
