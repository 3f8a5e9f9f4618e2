"""Checks of blocks that are read: their rows, or the error."""

import pytest

from torch_rechub.data.reading import read_blocks


def rows_of(data, **options):
    options = {"text_columns": ["a"], "number_columns": ["b"], **options}
    blocks = list(read_blocks(data, **options))
    names = blocks[0].schema.names if blocks else []
    return {name: [cell for block in blocks for cell in block[name].to_pylist()] for name in names}


def check(expected, data, **options):
    """Compare rows, or the error: (its type, patterns that its message contains in this order)."""
    if isinstance(expected, dict):
        assert rows_of(data, **options) == expected
        return
    error, message = expected
    with pytest.raises(error, match=f"(?s){message}"):
        rows_of(data, **options)


def table_of(cases):
    return {"argvalues": [case[1:] for case in cases], "ids": [case[0] for case in cases]}
