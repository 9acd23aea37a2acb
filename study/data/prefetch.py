"""Preparing the next batch while the one before it is trained on."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def one_ahead(make: Callable[[int], T], count: int) -> Iterator[T]:
    """What `make` gives for 0 to count - 1, in order; the next one is made in a thread while this one is used.

    Raises:
        Exception: what `make` raises, at its place.
    """
    with ThreadPoolExecutor(1) as pool:
        ahead = pool.submit(make, 0) if count else None
        for number in range(1, count + 1):
            assert ahead is not None, "there is one for every number"
            made = ahead.result()
            if number < count:
                ahead = pool.submit(make, number)
            yield made
