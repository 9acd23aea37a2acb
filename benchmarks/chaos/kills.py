"""Kill parts of running studies at random moments, and check that what comes out is what an undisturbed run gives.

    python benchmarks/chaos/kills.py FOLDER

Two studies of ten small trials (`chaos_points.py`, and `chaos_search.py`, which searches) run once
undisturbed. Then they run in turn while training worker, trial actor, dispatcher, Train controller, raylet, GCS or
driver are killed (SIGKILL), 30 times in all. Whenever a run ends without having finished its study, the same command is
started again. Meanwhile a thread looks ten times a second which training workers exist: the ledger must charge every
run at least that. FOLDER gets the results. Exit code 1 if a check fails.
"""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import psutil
from checks import failed_checks
from driver import Driver, name_of
from killing import NOT_SEEN, WENT_ON, Campaign, draw_kills
from observer import Observer

from study.results import ResultStore, cost

STUDIES = ("chaos_points", "chaos_search")
HELPER_SECONDS = 75.0
"""So long after a run no helper of Ray's is left either."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=30, metavar="N", help="default 30")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of victims and moments, default 0")
    options = parser.parse_args()
    draw = random.Random(options.seed)
    planned = draw_kills(draw, options.kills)
    failed: list[str] = []
    rounds: list[Campaign] = []
    with tempfile.TemporaryDirectory(prefix="chaos-", dir="/tmp") as place:  # a long path would not do for Ray
        for name in STUDIES:
            start = time.time()
            code = Driver(command(name, options.folder / "undisturbed"), {"TMPDIR": place}).wait()
            print(f"{name}: undisturbed, exit code {code} in {time.time() - start:.0f} s", flush=True)
        while left := [kill for kill in planned if not kill.done]:
            name, folder = STUDIES[len(rounds) % len(STUDIES)], options.folder / f"{len(rounds) + 1}"
            observer = Observer()
            try:
                rounds.append(Campaign(command(name, folder), place, observer, draw))
                rounds[-1].run(left)
            finally:
                observer.stop()
            failed += [f"round {len(rounds)}, {problem}" for problem in judge(rounds[-1], name, folder, observer)]
            failed += leftovers([driver for campaign in rounds[:-1] for driver in campaign.drivers], 0)
        failed += leftovers([driver for campaign in rounds for driver in campaign.drivers], HELPER_SECONDS)
        failed += traces(place)
    kills = table(rounds)
    print(kills.to_string(index=False, float_format="%.1f", na_rep="-"))
    print(by_victim(kills).to_string(index=False))
    for line in failed:
        print(f"FAILED: {line}")
    print("all checks hold" if not failed else f"{len(failed)} checks failed")
    return 1 if failed else 0


def judge(campaign: Campaign, name: str, folder: Path, observer: Observer) -> list[str]:
    """What is wrong after a round; says what was charged and what was held."""
    store, undisturbed = (ResultStore(results, name) for results in (folder, folder.parent / "undisturbed"))
    by_run = observer.held()
    charged, held = cost(store.ledger())["device_seconds"], sum(seconds for _, seconds in by_run)
    print(
        f"{name}: {len(campaign.kills)} kills, {len(campaign.drivers)} runs; {charged:.1f} device-seconds charged, "
        f"{held:.1f} held: {charged / held:.3f} times as many",
        flush=True,
    )
    return [f"{name}: {problem}" for problem in [*campaign.problems, *failed_checks(store, undisturbed, by_run)]]


def command(name: str, results: Path) -> list[str]:
    return ["-m", "study.run", str(Path(__file__).parent / f"{name}.py"), "--results", str(results)]


def leftovers(drivers: list[Driver], seconds: float) -> list[str]:
    """Processes of drivers that outlive them by so many seconds from now."""
    return [f"process {name} of a run is left" for driver in drivers for name in driver.left(seconds)]


def traces(place: str) -> list[str]:
    """What still works in a folder for temporary files, whoever started it, and what of Ray's lies there."""
    users = [p for p in psutil.process_iter(["environ"]) if (p.info["environ"] or {}).get("TMPDIR") == place]
    found = [f"process {name_of(process)} works in {place}" for process in users]
    return found + [f"folder {folder} is left" for folder in Path(place).glob("study-ray-*")]


def table(rounds: list[Campaign]) -> pd.DataFrame:
    """A line a kill."""
    rows = [(number, campaign, kill) for number, campaign in enumerate(rounds, 1) for kill in campaign.kills]
    return pd.DataFrame(
        {
            "kill": i,
            "round": number,
            "moment": kill.moment,
            "victim": kill.victim,
            "what happened": campaign.outcome(kill),
            "s to next epoch": campaign.seconds_to_epoch(kill),
        }
        for i, (number, campaign, kill) in enumerate(rows, 1)
    )


def by_victim(kills: pd.DataFrame) -> pd.DataFrame:
    """A line a victim: how often the run went on, and how long nothing was told."""
    return pd.DataFrame(
        {
            "victim": victim,
            "kills": len(mine),
            "run went on": (mine["what happened"] == WENT_ON).sum(),
            "next run went on": (~mine["what happened"].isin([WENT_ON, NOT_SEEN])).sum(),
            "next kill came first": (mine["what happened"] == NOT_SEEN).sum(),
            "s to next epoch": f"{mine['s to next epoch'].median():.0f} ({mine['s to next epoch'].max():.0f})",
        }
        for victim, mine in kills.groupby("victim")
    )


if __name__ == "__main__":
    sys.exit(main())
