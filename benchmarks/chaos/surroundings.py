"""The disk is full, and the clock jumps, while a study runs: no row is lost, doubled or charged wrongly.

    python benchmarks/chaos/surroundings.py FOLDER

The study of `chaos_points.py`, ten trials, runs undisturbed; then with its results on a file system that is too small,
which is made larger when it has ended (root alone can make one); then under a clock that is put forward by an hour and
back by two (`clock.c`, which a C compiler makes; clocks that only go on, `time.monotonic`, go on). FOLDER gets the
results. Exit code 1 if a check fails, 2 if this machine lacks what it takes.
"""

import argparse
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from checks import failed_checks
from driver import Driver
from observer import Observer
from rows import Rows

from study.results import ResultStore, cost

STUDY = Path(__file__).parent / "chaos_points.py"
SHARE = 0.9
"""Of what the results take, that there is room for at first."""
JUMPS = ((2, 3600), (26, -7200))
"""After so many more epochs, which begin another trial, the clock is put forward so many seconds."""
MOST_MORE = 1.5
"""Times what was held, that may be charged: a worker is charged from when it is asked for."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    if shutil.which("cc") is None:
        print("surroundings: cc: no such program; install a C compiler")
        return 2
    library = folder / "clock.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, Path(__file__).parent / "clock.c", "-ldl"], check=True)
    rows = Rows()
    start = time.time()
    driver = Driver(command(folder / "undisturbed"), {})
    assert driver.wait() == 0, driver.errors
    reference = store_of(folder / "undisturbed")
    rows.add("undisturbed", time.time() - start, f"{len(reference.trials())} trials", [])
    try:
        with small_disk(folder / "full", int(SHARE * used(folder / "undisturbed"))) as grow:
            fill_disk(folder / "full", grow, reference, rows)
    except PermissionError as error:
        print(f"surroundings: {error}")
        return 2
    jump(folder / "jumped", library, reference, rows)
    return rows.end()


def fill_disk(results: Path, grow: "Grow", reference: ResultStore, rows: Rows) -> None:
    """Run until the disk is full, make it larger, and run again."""
    start = time.time()
    first = Driver(command(results), {})
    first.wait()
    store, problems = store_of(results), []
    if first.code != 2 or len(first.errors) != 1 or "the disk is full" not in first.errors[0]:
        problems.append(f"exit code {first.code}, {first.errors}")
    if any(entry["status"] == "running" for entry in store.ledger()):
        problems.append("the ledger says that something still runs")
    rows.add("the disk is full: one line", time.time() - start, f"{len(store.trials())} trials have rows", problems)
    grow()
    start = time.time()
    second = Driver(command(results), {})
    second.wait()
    problems = [] if second.code == 0 else [f"exit code {second.code}, {second.errors}"]
    problems += failed_checks(store, reference, [])
    rows.add("there is room: the same command goes on", time.time() - start, f"{len(store.trials())} trials", problems)


def jump(results: Path, library: Path, reference: ResultStore, rows: Rows) -> None:
    """Run under a clock that jumps."""
    results.mkdir(exist_ok=True)
    clock = results.parent / "clock"
    clock.write_text("0")
    environment = {"LD_PRELOAD": str(library), "CLOCK_OFFSET_FILE": str(clock)}
    start = time.time()
    observer = Observer()
    try:
        driver = Driver(command(results), environment)
        observer.watch(driver)
        offset = 0
        for epochs, seconds in JUMPS:
            before = len(driver.epochs)
            while driver.code is None and len(driver.epochs) < before + epochs:
                time.sleep(0.1)
            offset += seconds
            clock.write_text(str(offset))
        driver.wait()
    finally:
        observer.stop()
    store = store_of(results)
    problems = [] if driver.code == 0 else [f"exit code {driver.code}, {driver.errors}"]
    problems += failed_checks(store, reference, [])
    charged, held = cost(store.ledger())["device_seconds"], sum(seconds for _, seconds in observer.held())
    if not held <= charged <= MOST_MORE * held:
        problems.append(f"{charged:.0f} device-seconds are charged, {held:.0f} were held")
    if any(entry["held_seconds"] < 0 for entry in store.ledger()):
        problems.append("the ledger has entries below zero")
    began = [entry["started_at"].timestamp() for entry in store.ledger()]
    if not began or max(began) - min(began) < min(abs(seconds) for _, seconds in JUMPS):
        problems.append("the clock did not jump")
    rows.add(
        "the clock jumps by +1 h and -2 h", time.time() - start, f"{charged:.0f} s charged, {held:.0f} held", problems
    )


class Grow:
    """Makes a file system in memory larger."""

    def __init__(self, place: Path) -> None:
        self._place = place

    def __call__(self) -> None:
        """Make it large enough."""
        subprocess.run(["mount", "-o", "remount,size=1g", str(self._place)], check=True)


@contextmanager
def small_disk(place: Path, size: int) -> Iterator[Grow]:
    """A file system of so many bytes.

    Raises:
        PermissionError: this process may not mount one.
    """
    place.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(place)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PermissionError(f"no small file system: {done.stderr.strip()}; run it as root")
    try:
        yield Grow(place)
    finally:
        subprocess.run(["umount", str(place)], check=True)


def used(folder: Path) -> int:
    """Bytes of the files in a folder, in whole pages as a file system in memory counts them."""
    return sum(-(-path.stat().st_size // 4096) * 4096 for path in folder.rglob("*") if path.is_file())


def command(results: Path) -> list[str]:
    return ["-m", "study.run", str(STUDY), "--results", str(results)]


def store_of(results: Path) -> ResultStore:
    return ResultStore(results, STUDY.stem, create=False)


if __name__ == "__main__":
    sys.exit(main())
