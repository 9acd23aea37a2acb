"""`python benchmarks/search_cost.py DIR`: what searches cost, beside a grid of 27 ratios, that find as good weights.

The yardstick: the point of `hwf_fine` with the best mean validation MOTA over seeds 0, 1, 2 is trained again under
seeds 3, 4, 5, which chose nothing; its mean there, less one standard error. A search reaches it if its own winner,
found under one other seed, has that mean under seeds 3, 4, 5. Searches: `hwf_simplex` (TPE over ratios with ASHA) and
`hwf_random`, five times each, with other sampler seeds and other first seeds, one after the other in turns. Their cost
is that of the whole search, its winner's fresh seeds included; the grid's is that of its 81 trials.

What the yardstick can tell apart is seen from controls, trained under seeds 3, 4, 5 as well: the plain sum, the points
that the grid would have chosen under each of its seeds alone, and three that are drawn.

Can be interrupted: the same command goes on. All is kept in DIR, the tables are printed at the end.
"""

import argparse
import random
from collections.abc import Collection
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
from study.studies import load_study

FRESH = (3, 4, 5)
FIRST = 6
SEARCHES = ("hwf_simplex", "hwf_random")


def finish(study: Study, results: Path) -> tuple[ResultStore, pd.DataFrame]:
    """Run a study until all its trials are done; returns its results and their rows of `trials`."""
    store = ResultStore(results, study.name)
    plan = make_plan(study, store, cache_dir=default_cache_dir())

    def tell(event: Event) -> None:
        if isinstance(event, TrialEnded):
            mota = event.row.get("val_mota")
            print(f"{study.name} {event.trial.index} seed {event.trial.seed}: {event.row['status']} {mota}", flush=True)

    run_study(plan, store, tell)
    plan = make_plan(study, store, cache_dir=default_cache_dir())
    trials = pd.DataFrame(store.trials())
    assert plan.ended
    assert set(trials["trial_id"]) == {trial.trial_id for trial in plan.trials}, f"{store.folder} has other trials too"
    return store, trials


def spent(store: ResultStore, trials: pd.DataFrame) -> dict[str, float]:
    """Device-seconds, and epochs trained, which no other load of the machine changes."""
    return {"device_seconds": cost(store.ledger())["device_seconds"], "epochs": float(trials["epochs"].sum())}


def best_point(trials: pd.DataFrame) -> str:
    """The configuration with the best mean; one that has not completed under every seed is none."""
    motas = trials.assign(val_mota=trials["val_mota"].where(trials["status"] == "completed"))
    means = motas.groupby("configuration_id")["val_mota"].agg(lambda values: values.mean(skipna=False))
    return str(means.idxmax())


def fresh(trials: pd.DataFrame, configuration_id: str) -> pd.DataFrame:
    """Rows of a configuration under the fresh seeds, by seed."""
    mine = trials[(trials["configuration_id"] == configuration_id) & trials["seed"].isin(FRESH)]
    assert list(mine["status"]) == ["completed"] * len(FRESH), "a winner has to complete"
    return mine.set_index("seed").loc[list(FRESH)]


def winner_of(trials: pd.DataFrame) -> str:
    """The configuration that a search runs again under the fresh seeds."""
    (name,) = trials[trials["seed"].isin(FRESH)]["configuration_id"].unique()
    return str(name)


def standard_error(values: pd.Series) -> float:
    return float(values.std() / len(values) ** 0.5)


def to_compare(fine: Study, grid: pd.DataFrame) -> dict[str, list[str]]:
    """The grid's winner and the controls: configuration_ids, and what each stands for."""
    chosen = {best_point(grid): ["winner of the grid"]}
    plain = ({"weighting.loss_weights": dict.fromkeys(fine.objective.tasks, 1.0)},)
    (of_plain,) = fine.model_copy(update={"points": plain}).configurations()
    chosen.setdefault(of_plain.configuration_id, []).append("plain sum")
    for seed in fine.seeds:
        chosen.setdefault(best_point(grid[grid["seed"] == seed]), []).append(f"best under seed {seed} alone")
    for name in random.Random(0).sample(sorted(set(grid["configuration_id"])), 3):
        chosen.setdefault(name, []).append("drawn")
    return chosen


def against(yardstick: float, best: pd.DataFrame, rows: pd.DataFrame) -> dict[str, Any]:
    """How a configuration does under the fresh seeds beside the grid's winner."""
    differences = rows["val_mota"] - best["val_mota"]
    return {
        "val MOTA": rows["val_mota"].mean(),
        "less the grid's": f"{differences.mean():+.3f} ± {standard_error(differences):.3f}",
        "test MOTA": rows["test_mota"].mean(),
        "reached": rows["val_mota"].mean() >= yardstick,
    }


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

    def under_fresh_seeds(name: str, configuration_ids: Collection[str]) -> pd.DataFrame:
        points = zip(fine.points, fine.configurations(), strict=True)
        chosen = tuple(point for point, c in points if c.configuration_id in configuration_ids)
        _, trials = finish(fine.model_copy(update={"name": name, "points": chosen, "seeds": FRESH}), options.results)
        return trials

    with connected(1):
        fine = short(load_study("hwf_fine"))
        store, grid = finish(fine, options.results)
        whole = spent(store, grid)
        best = best_point(grid)
        again = fresh(under_fresh_seeds("hwf_fine_fresh", [best]), best)
        yardstick = again["val_mota"].mean() - standard_error(again["val_mota"])
        lines: list[dict[str, Any]] = []
        for number in range(options.repetitions):
            for name in SEARCHES:
                store, trials = finish(short(repeated(name, number)), options.results)
                took = spent(store, trials)
                lines.append(
                    {
                        "search": name,
                        "repetition": number,
                        "trials": len(trials),
                        "device_seconds": took["device_seconds"],
                        "of the grid's": took["device_seconds"] / whole["device_seconds"],
                        "of its epochs": took["epochs"] / whole["epochs"],
                        **against(yardstick, again, fresh(trials, winner_of(trials))),
                    }
                )
        compared = to_compare(fine, grid)
        controls = under_fresh_seeds("hwf_fine_controls", compared.keys() - {best})
    means = grid.groupby("configuration_id")["val_mota"].mean()
    told = [
        {
            "point of the grid": ", ".join(names),
            "under 0, 1, 2": means[name],
            **against(yardstick, again, again if name == best else fresh(controls, name)),
        }
        for name, names in compared.items()
    ]
    print(f"grid: {whole['device_seconds']:,.0f} device-seconds, best mean {means[best]:.3f} under seeds 0, 1, 2")
    print(f"yardstick: {again['val_mota'].mean():.3f} under fresh seeds, less one standard error: {yardstick:.3f}")
    print(f"{(means >= yardstick).sum()} of {len(means)} points have means as good under the seeds of the grid")
    for rows in (told, lines):
        print(pd.DataFrame(rows).to_string(index=False, float_format=lambda value: f"{value:.3f}"))
    for name, rows in pd.DataFrame(lines).groupby("search"):
        share, epochs = rows["of the grid's"].median(), rows["of its epochs"].median()
        print(
            f"{name}: reached in {rows['reached'].sum()} of {len(rows)}, at {share:.0%} of the grid's device-seconds"
            f" and {epochs:.0%} of its epochs (medians)"
        )


if __name__ == "__main__":
    main()
