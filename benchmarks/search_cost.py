"""`python benchmarks/search_cost.py DIR`: what searches cost until they are as good as a grid of 27 ratios.

The yardstick: the point of `hwf_fine` with the best mean validation MOTA over seeds 0, 1, 2 is trained again under
seeds 3, 4, 5, which chose nothing; its mean there, less one standard error. A search reaches it if its own winner,
found under one other seed, has that mean under seeds 3, 4, 5. Searches: `hwf_simplex` (TPE over ratios with ASHA) and
`hwf_random`, five times each, with other sampler seeds and other first seeds, one after the other in turns.

Can be interrupted: the same command goes on. All is kept in DIR, the table is printed at the end.
"""

import argparse
import statistics
from pathlib import Path
from typing import Any

import pandas as pd

from study.config import Study
from study.data import default_cache_dir
from study.events import Event, TrialEnded
from study.execute import run_study
from study.execute.cluster import connected
from study.plan import make_plan
from study.results import ResultStore, cost
from study.schema import DONE
from study.studies import load_study

FRESH = (3, 4, 5)
FIRST = 6
SEARCHES = ("hwf_simplex", "hwf_random")


def finish(study: Study, results: Path) -> ResultStore:
    """Run a study until all its trials are done."""
    store = ResultStore(results, study.name)
    plan = make_plan(study, store, cache_dir=default_cache_dir())

    def tell(event: Event) -> None:
        if isinstance(event, TrialEnded):
            mota = event.row.get("val_mota")
            print(f"{study.name} {event.trial.index} seed {event.trial.seed}: {event.row['status']} {mota}", flush=True)

    run_study(plan, store, tell)
    assert {row["status"] for row in store.trials()} <= DONE
    return store


def table_of(store: ResultStore) -> pd.DataFrame:
    return pd.DataFrame(store.trials())


def spent(store: ResultStore) -> dict[str, float]:
    """Device-seconds, and epochs trained, which no other load of the machine changes."""
    return {"device_seconds": cost(store.ledger())["device_seconds"], "epochs": float(table_of(store)["epochs"].sum())}


def best_point(trials: pd.DataFrame) -> str:
    means = trials.groupby("configuration_id")["val_mota"].mean()
    return str(means.idxmax())


def fresh_motas(trials: pd.DataFrame, configuration_id: str) -> list[float]:
    mine = trials[(trials["configuration_id"] == configuration_id) & trials["seed"].isin(FRESH)]
    assert len(mine) == len(FRESH)
    return [float(mota) for mota in mine["val_mota"]]


def winner_of(trials: pd.DataFrame) -> str:
    """The configuration that a search runs again under the fresh seeds."""
    (name,) = trials[trials["seed"].isin(FRESH)]["configuration_id"].unique()
    return str(name)


def repeated(name: str, number: int) -> Study:
    study = load_study(name)
    search = study.search.model_copy(update={"sampler_seed": number})  # type: ignore[union-attr]
    return study.model_copy(update={"name": f"{name}_{number}", "search": search, "seeds": (FIRST + number, *FRESH)})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, metavar="DIR")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--steps", type=int, help="steps per epoch, fewer to try this script")
    options = parser.parse_args()

    def short(study: Study) -> Study:
        if options.steps is None:
            return study
        return study.model_copy(update={"train": study.train.model_copy(update={"steps_per_epoch": options.steps})})

    with connected(1):
        fine = short(load_study("hwf_fine"))
        grid = finish(fine, options.results)
        best = best_point(table_of(grid))
        point = next(
            point for point, c in zip(fine.points, fine.configurations(), strict=True) if c.configuration_id == best
        )
        again = fine.model_copy(update={"name": "hwf_fine_fresh", "points": (point,), "seeds": FRESH})
        motas = fresh_motas(table_of(finish(again, options.results)), best)
        yardstick = statistics.fmean(motas) - statistics.stdev(motas) / len(motas) ** 0.5
        whole = spent(grid)
        chosen = table_of(grid).groupby("configuration_id")["val_mota"].mean().max()
        print(
            f"grid: {whole['device_seconds']:,.0f} device-seconds, best mean {chosen:.3f} under the seeds that chose it"
        )
        print(f"yardstick: {statistics.fmean(motas):.3f} under fresh seeds, less one standard error: {yardstick:.3f}")
        lines: list[dict[str, Any]] = []
        for number in range(options.repetitions):
            for name in SEARCHES:
                store = finish(short(repeated(name, number)), options.results)
                trials = table_of(store)
                mota = statistics.fmean(fresh_motas(trials, winner_of(trials)))
                took = spent(store)
                lines.append(
                    {
                        "search": name,
                        "repetition": number,
                        "trials": len(trials),
                        "device_seconds": took["device_seconds"],
                        "of the grid's": took["device_seconds"] / whole["device_seconds"],
                        "of its epochs": took["epochs"] / whole["epochs"],
                        "winner's val MOTA": mota,
                        "reached": mota >= yardstick,
                    }
                )
    table = pd.DataFrame(lines)
    print(table.to_string(index=False, float_format=lambda value: f"{value:.3f}"))
    for name, rows in table.groupby("search"):
        share, epochs = rows["of the grid's"].median(), rows["of its epochs"].median()
        print(
            f"{name}: reached in {rows['reached'].sum()} of {len(rows)}, at {share:.0%} of the grid's device-seconds"
            f" and {epochs:.0%} of its epochs (medians)"
        )


if __name__ == "__main__":
    main()
