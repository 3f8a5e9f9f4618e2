"""Arrow arrays as tensors."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    import pyarrow as pa


def pa_array_to_tensor(arr: "pa.Array | pa.ChunkedArray") -> Tensor:
    """An Arrow array of N numbers, or of N lists of L numbers, as a tensor of its own memory.

    Args:
        arr: Numbers, bools, or lists of equal length of them; slices and chunks too.

    Returns:
        Shape (N,), or (N, L): int64 for whole numbers and bools, so that ids stay exact, and
        float32 for others, where null becomes NaN.

    Raises:
        TypeError: It holds what is no number.
        ValueError: Lists differ in length; a list or a whole number is null; or an unsigned number
            is beyond int64.

    Example:
        >>> import pyarrow as pa
        >>> pa_array_to_tensor(pa.array([[1, 2], [3, 4], [5, 6]])[1:])
        tensor([[3, 4],
                [5, 6]])
    """
    import pyarrow as pa

    if isinstance(arr, pa.ChunkedArray):
        arr = arr.combine_chunks()
    kind = arr.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        rows: Tensor = pa_array_to_tensor(arr.flatten()).unflatten(0, (len(arr), _width(arr)))
        return rows
    whole = pa.types.is_integer(kind) or pa.types.is_boolean(kind)
    if not whole and not pa.types.is_floating(kind):
        raise TypeError(
            f"an Arrow array of {kind} holds no numbers: map its values to ids or numbers first"
        )
    if whole and arr.null_count:
        raise ValueError(
            f"{arr.null_count} of {len(arr)} whole numbers ({kind}) are null: fill them first "
            "(pyarrow.compute.fill_null), such as with the id of padding"
        )
    numbers = arr.cast(pa.int64() if whole else pa.float32())
    return torch.from_numpy(numbers.to_numpy(zero_copy_only=False, writable=True))


def _width(arr: "pa.Array") -> int:
    """The length of every list of an array; 0 for no list."""
    import pyarrow.compute as pc

    if arr.null_count:
        raise ValueError(f"{arr.null_count} of {len(arr)} lists are null: fill them first")
    lengths = pc.min_max(pc.list_value_length(arr)).as_py()
    if lengths["min"] != lengths["max"]:
        raise ValueError(
            f"lists have {lengths['min']} to {lengths['max']} elements: bring them to one length "
            "first, with torch_rechub.utils.data.pad_sequences"
        )
    return int(lengths["max"] or 0)
