"""The base class of the contracts, whose tests cannot be overridden."""

from typing import Any


class Contract:
    """A pytest class whose tests a subclass can configure, but not replace.

    Example:
        >>> class Even(Contract):
        ...     def test_it_is_even(self): ...
        >>> class TestMine(Even):
        ...     test_it_is_even = None
        Traceback (most recent call last):
        TypeError: TestMine replaces test_it_is_even, a test of the contract Even: ...
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse a subclass that replaces or disables a test of the contract.

        Raises:
            TypeError: The class or one of its bases redefines a test of the contract or sets it to
                None; or the class sets ``__test__``.
        """
        super().__init_subclass__(**kwargs)
        contracts = [base for base in cls.__mro__[1:] if Contract in base.__bases__]
        for contract in contracts:
            for name, test in vars(contract).items():
                if name.startswith("test_") and getattr(cls, name) is not test:
                    raise TypeError(
                        f"{cls.__name__} replaces {name}, a test of the contract "
                        f"{contract.__name__}: add tests under names of their own, and make "
                        f"what is tested pass this one"
                    )
            collected = getattr(cls, "__test__", True)
            if collected is not True:
                raise TypeError(
                    f"{cls.__name__} sets __test__ = {collected!r}, which has pytest ignore the "
                    f"contract {contract.__name__}: leave it out"
                )
