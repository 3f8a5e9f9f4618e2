"""The Criteo click log of the Kaggle challenge of 2014."""

from typing import TYPE_CHECKING

from ..data_set import PublicData, open_data
from ..layout import Layout, Table, ints, numbers, texts

if TYPE_CHECKING:
    from ....types import FilePath

_INPUTS = (
    *numbers(*(f"I{i}" for i in range(1, 14)), use="count"),
    *texts(*(f"C{i}" for i in range(1, 27)), use="category"),
)
CRITEO = Layout(
    "Criteo Display Advertising Challenge",
    "https://ailab.criteo.com/ressources/",
    {
        "train": Table(
            ("train.txt", "train.tsv"), (*ints("label", use="target"), *_INPUTS), separator="\t"
        ),
        "test": Table(("test.txt", "test.tsv"), _INPUTS, separator="\t"),
    },
    label="label",
)


def criteo(path: "FilePath") -> PublicData:
    r"""Open the Criteo log: 45.8 million ads of a week, clicked or not, in order of time.

    Tables: "train" (`label`; the counts `I1` to `I13`, float64, NaN where the cell is empty; the
    hashed categories `C1` to `C26`, text, missing where the cell is empty) and "test", which has no
    label. Files are read in blocks: see `PublicData.blocks`.

    Terms: those that Criteo's page and Kaggle's rules of the challenge have you accept before the
    download; read them there. https://ailab.criteo.com/ressources/

    Args:
        path: `dac.tar.gz`, `dac.zip`, the folder extracted from it, or `train.txt`.

    Returns:
        The tables, read when asked for.

    Raises:
        FileNotFoundError: There is no such path.
        PublicDataError: The path has no such table.

    Example:
        >>> import pathlib, tempfile
        >>> file = pathlib.Path(tempfile.mkdtemp(), "train.txt")
        >>> _ = file.write_text("\t".join(["0", "1", *[""] * 12, "68fd1e64", *[""] * 25]) + "\n")
        >>> criteo(file).read()[["label", "I1", "I2", "C1"]].to_dict("records")
        [{'label': 0, 'I1': 1.0, 'I2': nan, 'C1': '68fd1e64'}]

    Reference:
        Criteo Labs. "Display Advertising Challenge". Kaggle, 2014.
    """
    return open_data(CRITEO, path)
