"""A real `ray up`, on machines in namespaces that are killed and cut off: no row is lost or doubled.

    python benchmarks/chaos/ray_up.py FOLDER

cluster.yaml is brought up with machines of its own: each has its address, its processes and its home folder, and shares
this machine's disk and cores. On its head `python -m study.run` runs a study of four trials (`chaos_nodes.py`) while a
worker is cut off the network for 30 s, a worker is killed, and the head dies; its rows must be those of an undisturbed
run, to the last bit. FOLDER gets the results, what `ray up` said and, if a check fails, Ray's logs. Needs root. Exit
code 1 if a check fails, 2 if there are no namespaces to be had.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
from checks import failed_checks
from cluster import HERE, Cluster
from driver import Driver, name_of
from killing import RAYS_OWN
from machines import inside, isolated, lacking
from rows import Rows

from study.claim import FRESH_SECONDS
from study.results import ResultStore, load

STUDY = HERE / "chaos_nodes.py"
CUT_SECONDS = 30.0
END_SECONDS = 15.0
"""So long after `ray down` nothing is left."""

LONGEST = 600.0
"""Seconds that anything may take."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    place = inside()
    if place is None:
        if (missing := lacking()) is not None:
            print(f"ray_up: {missing}", flush=True)
            return 2
        return isolated([__file__, *sys.argv[1:]])
    folder = options.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    rows = Rows()
    try:
        disturb(Cluster(place, folder / "ray_up.log"), folder, rows)
    except (LateError, RuntimeError, subprocess.TimeoutExpired) as error:
        rows.add("the rest", 0.0, "", [str(error)])
    code = rows.end()
    for logs in place.glob("*/ray/session_2*/logs") if code else ():
        shutil.copytree(logs, folder / "logs" / f"{logs.parents[2].name}-{logs.parent.name}", symlinks=True)
    return code


class LateError(Exception):
    """Something that was waited for did not come."""


def disturb(cluster: Cluster, folder: Path, rows: Rows) -> None:
    """All that is done to the cluster, in order."""
    reference = undisturbed(folder)
    rows.add("ray up", cluster.up(), f"head {cluster.head}", [])
    lose_workers(cluster, folder / "workers", reference, rows)
    two_workers(cluster, folder / "two", reference, rows)
    submitted(cluster, folder / "submitted", rows)
    start = time.monotonic()
    wait(lambda: not cluster.workers, "the workers stay though they are idle")
    rows.add("idle workers go", time.monotonic() - start, "", [])
    lose_head(cluster, folder / "headless", reference, rows)
    left = [str(path) for path in cluster.machines.home(cluster.head).glob("study-ray-*")]
    seconds = cluster.down()
    left += [f"machine {name}" for name in cluster.machines.names()]
    until = time.monotonic() + END_SECONDS
    while (names := processes()) and time.monotonic() < until:
        time.sleep(0.2)
    left += [f"process {name}" for name in names]
    rows.add("ray down", seconds, f"{len(cluster.machines.started)} machines in all", [f"{it} is left" for it in left])


def processes() -> list[str]:
    """Names of all others here, but for those that have ended and wait to be told so."""
    names = (name_of(process) for process in psutil.process_iter() if process.pid != os.getpid())
    return [name for name in names if name is not None]


def undisturbed(folder: Path) -> ResultStore:
    """The study on a Ray of its own."""
    driver = Driver(["-m", "study.run", str(STUDY), "--results", str(folder / "undisturbed")], {"RAY_ADDRESS": "local"})
    with ended(driver):
        assert driver.wait(LONGEST) == 0, driver.errors
    return store_of(folder / "undisturbed")


def lose_workers(cluster: Cluster, results: Path, reference: ResultStore, rows: Rows) -> None:
    """Trials on two workers, of which one is cut off the network for a while; then the other is killed."""
    store = store_of(results)
    with ended(cluster.study(STUDY, results)) as driver:
        wait(lambda: len(at_work(store)) == 2, "trials are not spread over two machines", driver)
        rows.add("two workers come, a trial on each", time.time() - driver.started_at, hosts(store), [])
        wait_for_epochs(driver, 2)
        hidden, other = sorted(at_work(store))
        cluster.machines.cut(hidden)
        cut_at = time.time()
        problems = [f"the head still reaches {hidden}"] if cluster.machines.reaches(cluster.head, hidden) else []
        driver.wait(max(0.0, cut_at + CUT_SECONDS - time.time()))
        told = sum(at > cut_at for at in driver.epochs)
        if told == 0:
            problems.append("no epoch was told meanwhile")
        if hidden in cluster.machines.names():
            cluster.machines.join(hidden)
        wait(lambda: {other} < set(at_work(store)) or driver.code is not None, f"{other} stays alone")
        begun = [e for e in attempts(store) if e["hostname"] != other and e["started_at"].timestamp() > cut_at]
        seen = f"{told} epochs on {other} meanwhile; then " + (f"on {begun[0]['hostname']}" if begun else "as before")
        rows.add(f"{hidden} is cut off for {CUT_SECONDS:.0f} s", time.time() - cut_at, seen, problems)
        wait_for_epochs(driver, 2)
        lost = at_work(store).get(other)
        cluster.machines.end(other)
        killed_at = time.time()
        driver.wait(LONGEST)
    problems = outcome(driver, store, reference, 0)
    resumed = [e for e in attempts(store, lost) if e["started_at"].timestamp() > killed_at] if lost else []
    if lost is None or not resumed or resumed[0]["hostname"] == other:
        problems.append(f"no trial of {other} went on elsewhere")
    elif "goes on after epoch" not in store.log_path(lost).read_text():
        problems.append("it did not go on from its checkpoint")
    seconds = resumed[0]["started_at"].timestamp() - killed_at if resumed else float("nan")
    seen = f"on {resumed[0]['hostname']}; attempts: {hosts(store)}" if resumed else hosts(store)
    rows.add(f"{other} is killed: its trial goes on elsewhere", seconds, seen, problems)


def two_workers(cluster: Cluster, results: Path, reference: ResultStore, rows: Rows) -> None:
    """A trial with a worker on each of two machines, whose names are addresses of loopback."""
    with ended(cluster.study(STUDY, results, "--workers", "2", "--seeds", "1")) as driver:
        driver.wait(LONGEST)
    problems = outcome(driver)
    if not problems:
        alone, joined = (
            load(it.folder.address, "steps").sort_values(["step", "task"]) for it in (reference, store_of(results))
        )
        alone = alone[alone["trial_id"].isin(joined["trial_id"])]
        problems += far_apart(alone, joined)
    seconds = driver.ended_at - driver.started_at
    rows.add("one trial on two machines", seconds, f"{len(cluster.workers)} workers", problems)


def submitted(cluster: Cluster, results: Path, rows: Rows) -> None:
    """A trial of a study that is submitted as a job."""
    with ended(cluster.submit(STUDY, results, "--seeds", "1")) as driver:
        driver.wait(LONGEST)
    store = store_of(results)
    problems = [] if driver.code == 0 else [f"exit code {driver.code}: {' | '.join(driver.lines[-3:])}"]
    if (statuses := [row["status"] for row in store.trials()]) != ["completed"]:
        problems.append(f"trials that are {statuses}, expected one that is completed")
    rows.add("ray job submit", driver.ended_at - driver.started_at, hosts(store), problems)


def far_apart(alone: pd.DataFrame, joined: pd.DataFrame) -> list[str]:
    """Where steps of two workers are not those of one; as tests/test_train_workers.py has it."""
    if len(alone) != len(joined) or not len(alone):
        return [f"{len(joined)} rows of steps, expected {len(alone)}"]
    first = (alone["epoch"] == alone["epoch"].min()) & (alone["step"] < 3)
    found = []
    for name in ("loss", "weighted_total", "gradient_norm"):
        one, two = alone[name].to_numpy(), joined[name].to_numpy()
        apart = abs(one - two) / abs(one).clip(1e-6)
        if (apart[first] > 1e-5).any() or (apart > 5e-2).any():
            found.append(f"{name}: {apart[first].max():.1g} apart in the first steps, {apart.max():.1g} in all")
    return found


def lose_head(cluster: Cluster, results: Path, reference: ResultStore, rows: Rows) -> None:
    """The GCS is killed, then the machine that it runs on; each time `ray up` is run again."""
    store = store_of(results)
    with ended(cluster.study(STUDY, results)) as driver:
        wait(lambda: at_work(store), "no trial starts", driver)
        wait_for_epochs(driver, 2)
        cluster.machines.run(cluster.head, "kill -9 $(pgrep gcs_server)")
        start = time.time()
        driver.wait(LONGEST)
    rows.add("the GCS is killed", driver.ended_at - start, " ".join(driver.errors), outcome(driver, code=1))
    rows.add("ray up on the same head", cluster.up(), f"{len(cluster.workers)} workers of before", [])
    done = reached(store)
    with ended(cluster.study(STUDY, results)) as driver:
        wait_for_epochs(driver, 2)
        went_on = driver.epochs[0] - driver.started_at
        cluster.machines.end(cluster.head)
        driver.wait(LONGEST)
    rows.add("the same command goes on", went_on, f"{done} epochs were done", outcome(driver, code=-9))
    rows.add("the head dies, ray up makes another", cluster.up(), f"head {cluster.head}", [])
    # A driver on another machine may still be at work, for all that it can be known before.
    time.sleep(max(0.0, driver.ended_at + FRESH_SECONDS + 1 - time.time()))
    with ended(cluster.study(STUDY, results)) as driver:
        driver.wait(LONGEST)
    seconds = driver.ended_at - driver.started_at
    rows.add("the same command ends it", seconds, hosts(store), outcome(driver, store, reference, 0))


def outcome(
    driver: Driver, store: ResultStore | None = None, reference: ResultStore | None = None, code: int = 0
) -> list[str]:
    """What is wrong after a run: its exit code, what it says of it, and the rows."""
    problems = []
    told = [line for line in driver.errors if line.strip() and not RAYS_OWN.match(line)]
    if driver.code != code:
        problems.append(f"exit code {driver.code}, expected {code}")
    if len(told) != (code == 1):
        problems.append(f"{len(told)} lines of errors: {' | '.join(told[-3:])}")
        print("\n".join(driver.errors), flush=True)
    if store is not None and reference is not None:
        problems += failed_checks(store, reference, [])
    return problems


@contextmanager
def ended(driver: Driver) -> Iterator[Driver]:
    """Sees to it that it does not outlive the context."""
    try:
        yield driver
    finally:
        driver.kill()


def wait(condition: Callable[[], object], otherwise: str, driver: Driver | None = None) -> None:
    """Until a condition holds.

    Raises:
        LateError: it does not, or the driver has ended.
    """
    until = time.monotonic() + LONGEST
    while not condition():
        if driver is not None and driver.code is not None:
            raise LateError(
                f"{otherwise}: the study ended with code {driver.code}: {driver.lines[-3:]} {driver.errors}"
            )
        if time.monotonic() > until:
            raise LateError(f"{otherwise} for {LONGEST:.0f} s")
        time.sleep(0.2)


def wait_for_epochs(driver: Driver, number: int) -> None:
    """Until so many more epochs have been told."""
    before = len(driver.epochs)
    wait(lambda: len(driver.epochs) >= before + number, "no epochs are told", driver)


def store_of(results: Path) -> ResultStore:
    return ResultStore(results, "chaos_nodes")


def attempts(store: ResultStore, trial_id: str | None = None) -> list[dict[str, Any]]:
    """Their entries in the ledger, by their start."""
    return sorted((e for e in store.ledger(trial_id) if e["kind"] == "attempt"), key=lambda e: e["started_at"])


def at_work(store: ResultStore) -> dict[str, str]:
    """Machines where a trial runs now, with the trial."""
    return {entry["hostname"]: entry["trial_id"] for entry in attempts(store) if entry["status"] == "running"}


def hosts(store: ResultStore) -> str:
    """Machines that trials ran on, with how many attempts."""
    names = [entry["hostname"] for entry in attempts(store)]
    return ", ".join(f"{name}: {names.count(name)}" for name in sorted(set(names)))


def reached(store: ResultStore) -> int:
    """Epochs that have rows."""
    return sum(
        len({row["epoch"] for row in store.read_rows("epochs", id_)})
        for id_ in {e["trial_id"] for e in attempts(store)}
    )


if __name__ == "__main__":
    sys.exit(main())
