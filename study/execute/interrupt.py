"""Ctrl-C: once to finish and save, twice to stop now."""

import signal
import threading
from collections.abc import Callable


class FirstInterrupt:
    """Ctrl-C, once, asks for something instead of raising; the second time it raises as ever.

    Args:
        ask: what it asks for, in the thread that calls `take_effect`.
    """

    def __init__(self, ask: Callable[[], None]) -> None:
        self._ask = ask
        self._arrived = self._asked = False

    def __enter__(self) -> "FirstInterrupt":
        """Watch for it, where that is possible: the main thread alone sees Ctrl-C."""
        self._main = threading.current_thread() is threading.main_thread()
        if self._main:
            self._before = signal.signal(signal.SIGINT, self._arrive)
        return self

    def __exit__(self, *_: object) -> None:
        """Watch no more."""
        if self._main:
            signal.signal(signal.SIGINT, self._before)

    def take_effect(self) -> None:
        """Ask, if it has arrived and nobody has asked yet."""
        if self._arrived and not self._asked:
            self._asked = True
            self._ask()

    def raise_it(self) -> None:
        """Raise, now that what was asked for is done.

        Raises:
            KeyboardInterrupt: it has arrived.
        """
        if self._arrived:
            raise KeyboardInterrupt

    def _arrive(self, *_: object) -> None:
        self._arrived = True
        signal.signal(signal.SIGINT, self._before)
