"""Census-Income (KDD): a census of the USA, used for multi-task models."""

from typing import TYPE_CHECKING

from ..data_set import PublicData, open_data
from ..layout import Column, Layout, Table, numbers, texts

if TYPE_CHECKING:
    from ....types import FilePath

_COLUMNS = (
    *numbers("age", use="number"),
    *texts(
        "class_of_worker", "industry_code", "occupation_code", "education", use="category",
    ),
    *numbers("wage_per_hour", use="count"),
    *texts(
        "enrolled_in_education", "marital_status", "major_industry", "major_occupation", "race",
        "hispanic_origin", "sex", "union_member", "unemployment_reason", "employment_status",
        use="category",
    ),
    *numbers("capital_gains", "capital_losses", "dividends", use="count"),
    *texts(
        "tax_filer_status", "previous_region", "previous_state", "household_status",
        "household_summary", use="category",
    ),
    *numbers("instance_weight", use="weight"),
    *texts(
        "migration_msa", "migration_region", "migration_within_region", "same_house_last_year",
        "migration_sunbelt", use="category",
    ),
    *numbers("employees", use="number"),
    *texts(
        "family_under_18", "father_birth_country", "mother_birth_country", "birth_country",
        "citizenship", "own_business", "veteran_questionnaire", "veteran_benefits", use="category",
    ),
    *numbers("weeks_worked", use="number"),
    *texts("year", use="category"),
    Column("income", "choice", "target", choices=("- 50000.", "50000+.")),
)  # fmt: skip


def _table(file: str) -> Table:
    return Table((file,), _COLUMNS, spaces=True, missing=("?",))


CENSUS_INCOME = Layout(
    "Census-Income (KDD)",
    "https://archive.ics.uci.edu/dataset/117/census+income+kdd",
    {"train": _table("census-income.data"), "test": _table("census-income.test")},
    label="income",
)


def census_income(path: "FilePath") -> PublicData:
    """Open Census-Income (KDD): 299,285 people of the surveys of 1994 and 1995, 42 columns each.

    Tables: "train" and "test", with the split of the archive. `income` is 1 above 50,000 dollars,
    `instance_weight` is the number of people that a row stands for, codes are text, and "?" is a
    missing value. The second task of multi-task papers is
    `frame["marital_status"] == "Never married"`.

    Terms: Creative Commons Attribution 4.0: use and share it with a citation.
    https://archive.ics.uci.edu/dataset/117/census+income+kdd

    Args:
        path: The archive, the folder extracted from it, or one of its files.

    Returns:
        The tables, read when asked for.

    Raises:
        FileNotFoundError: There is no such path.
        PublicDataError: The path has no such table.

    Example:
        >>> from torch_rechub.data.public.catalog.census import CENSUS_INCOME
        >>> len(CENSUS_INCOME.tables["train"].columns)
        42

    Reference:
        "Census-Income (KDD)". UCI Machine Learning Repository, 2000. doi:10.24432/C5N30T
    """
    return open_data(CENSUS_INCOME, path)
