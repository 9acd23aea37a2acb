"""Runs of a study that are killed at random moments, until it is finished."""

import math
import random
import re
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import psutil
from driver import VICTIMS, Driver
from observer import Observer

ENDING = ("dispatcher", "raylet", "gcs", "driver")
"""A run cannot go on without these."""

END_SECONDS = 150.0
"""After so long a run that lost one of them has ended."""

SILENCE_SECONDS = 400.0
"""No run goes without an epoch for so long."""

WENT_ON = "the run went on"
NOT_SEEN = "the next kill came first"
RAYS_OWN = re.compile(r"\[\d{4}-\d\d-\d\d .*\] \w+\.cc:\d+:")
"""A line that Ray's core writes past Python."""


@dataclass
class Kill:
    """What is to be killed and when; `at`, `victim` and `run` say what it came to.

    Attributes:
        wanted: of `VICTIMS`; if there is none of it at the moment, another is taken.
        seconds: to wait.
        after_epoch: since an epoch, else since the start of the run or the last kill.
    """

    wanted: str
    seconds: float
    after_epoch: bool
    at: float = math.nan
    victim: str = ""
    run: int = 0

    @property
    def done(self) -> bool:
        """Whether it was carried out."""
        return self.victim != ""

    @property
    def moment(self) -> str:
        """When, in words."""
        return f"run {self.run + 1}, {self.seconds:.1f} s after {'an epoch' if self.after_epoch else 'start or kill'}"


def draw_kills(draw: random.Random, number: int) -> list[Kill]:
    """Kills of all victims in turn, in random order, at random moments: two of three while trials run."""
    victims = [list(VICTIMS)[i % len(VICTIMS)] for i in range(number)]
    draw.shuffle(victims)
    return [
        Kill(victim, draw.uniform(0, 6) if after_epoch else draw.uniform(1, 20), after_epoch)
        for victim in victims
        for after_epoch in [draw.random() < 2 / 3]
    ]


class Campaign:
    """Runs of one study, one after the other, until it is finished.

    Args:
        command: what runs the study.
        place: folder for temporary files.
        observer: looks at all runs.
        draw: chooses among processes of a kind.
    """

    def __init__(self, command: Sequence[str], place: str, observer: Observer, draw: random.Random) -> None:
        self._command, self._place, self._observer, self._draw = command, place, observer, draw
        self.drivers: list[Driver] = []
        self.kills: list[Kill] = []
        self.problems: list[str] = []

    def run(self, kills: Sequence[Kill]) -> None:
        """Run the study and carry out kills in their order until it is finished; those that are left stay undone."""
        left = list(kills)
        while len(self.drivers) <= 3 * len(self.kills) + 3:
            driver = Driver(self._command, {"TMPDIR": self._place})
            self.drivers.append(driver)
            self._observer.watch(driver)
            try:
                while driver.code is None:
                    self._wait_for(driver, left[0] if left else None)
                    if driver.code is None and self._carry_out(driver, left[0]):
                        del left[0]
            finally:
                driver.kill()
            print(f"{time.strftime('%H:%M:%S')} run {len(self.drivers)} ended: exit code {driver.code}", flush=True)
            self._look_at_end(driver)
            if driver.code == 0:
                return
        self.problems.append("runs end though nothing is killed")

    def ended(self, kill: Kill) -> bool:
        """Whether a run ended by a kill."""
        last = [other for other in self.kills if other.run == kill.run][-1]
        return kill is last and self.drivers[kill.run].code != 0

    def outcome(self, kill: Kill) -> str:
        """What a kill led to, in words."""
        driver, code = self.drivers[kill.run], self.drivers[kill.run].code
        if not self.ended(kill) or code is None:
            later = (other.at for other in self.kills if other.run == kill.run and other.at > kill.at)
            until = min(later, default=math.inf)
            told = until == math.inf or any(kill.at < at < until for at in driver.epochs)
            return WENT_ON if told else NOT_SEEN
        if code < 0:
            return "the next run went on"
        return f"exit code {code} after {driver.ended_at - kill.at:.0f} s, the next run went on"

    def seconds_to_epoch(self, kill: Kill) -> float | None:
        """From a kill to the next epoch of any trial, in the run that went on; None: all had been told."""
        after = self.drivers[kill.run + self.ended(kill) :]
        return min((at - kill.at for driver in after for at in driver.epochs if at > kill.at), default=None)

    def _wait_for(self, driver: Driver, kill: Kill | None) -> None:
        """Until the moment of a kill, or the end of the run."""
        last = max(driver.started_at, *(other.at for other in self.kills), 0.0)
        while driver.code is None:
            told_at = max(driver.started_at, *driver.epochs, 0.0)
            if time.time() - told_at > SILENCE_SECONDS:
                self.problems.append(f"run {len(self.drivers)}: no epoch for {SILENCE_SECONDS:.0f} s")
                driver.kill()
            if kill is not None:
                since = next((at for at in driver.epochs if at > last), None) if kill.after_epoch else last
                if since is not None and time.time() > since + kill.seconds:
                    return
            time.sleep(0.05)

    def _carry_out(self, driver: Driver, kill: Kill) -> bool:
        """Kill; False if nothing is left to kill."""
        others = [victim for victim in VICTIMS if victim != kill.wanted]
        self._draw.shuffle(others)
        found = {victim: driver.find(victim) for victim in (kill.wanted, *others)}
        victim = next((victim for victim in found if found[victim]), None)
        if victim is None:
            return False
        kill.victim, kill.at, kill.run = victim, time.time(), len(self.drivers) - 1
        with suppress(psutil.NoSuchProcess):
            self._draw.choice(found[victim]).kill()
        self.kills.append(kill)
        print(f"{time.strftime('%H:%M:%S')} kill {len(self.kills)}, {kill.moment}: {victim}", flush=True)
        if victim in ENDING and driver.wait(END_SECONDS) is None:
            self.problems.append(f"run {len(self.drivers)}: goes on {END_SECONDS:.0f} s after its {victim} was killed")
            driver.kill()
        return True

    def _look_at_end(self, driver: Driver) -> None:
        """A run that gave up says why in one line, others say nothing; Ray's core may add lines of its own.

        One whose trials failed too often ends in order, and says which have not finished on its standard output.
        """
        told = [line for line in driver.errors if line.strip() and not RAYS_OWN.match(line)]
        killed = any(kill.run == len(self.drivers) - 1 and kill.victim == "driver" for kill in self.kills)
        in_order = any("have not finished" in line for line in driver.lines)
        lines = {0: 0, 1: 0 if in_order else 1} | ({-signal.SIGKILL: 0} if killed else {})
        if len(told) != lines.get(driver.code or 0, -1):
            self.problems.append(f"run {len(self.drivers)}: exit code {driver.code} and {len(told)} lines: {told}")
