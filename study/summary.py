"""What a run says before and after its trials: the plan, the leaderboard, the cost, the picture."""

import math
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from study.budget import suffices
from study.config import Study
from study.differences import why_new
from study.forecast import plan_lines, trial_cells
from study.plan import Plan
from study.results import ResultStore, cost
from study.schema import DONE
from study.search_config import Population


def show_plan(plan: Plan, store: ResultStore, console: Console, *, every_trial: bool) -> None:
    """Say what is done, what is to run and what that should cost; on demand with a line a trial."""
    rows = store.trials()
    statuses = {row["trial_id"]: row["status"] for row in rows}
    new, notes = why_new(plan, rows)
    if every_trial:
        table = Table(box=None, pad_edge=False)
        for name in ("trial", "configuration and seed", "state", "predicted device-seconds", "disk"):
            table.add_column(name, justify="right" if name == "disk" else "left")
        for trial in plan.trials:
            status = statuses.get(trial.trial_id)
            state = status if trial.trial_id in plan.done else f"again ({status})" if status else new[trial.trial_id]
            table.add_row(trial.trial_id, plan.label(trial), state, *trial_cells(plan.predictions, trial.trial_id))
        console.print(table)
    seeds = "" if len(plan.study.seeds) == 1 else f" ({len(plan.study.seeds)} seeds)"
    to_run = plan.total - len(plan.done)
    _say(console, f"{plan.study.name}: {plan.total} trials{seeds}, {len(plan.done)} done, {to_run} to run")
    if to_run > len(plan.missing):
        _say(console, f"{to_run - len(plan.missing)} of them are not known yet: {_searched(plan.study)}")
    for note in notes:
        _say(console, note)
    for line in () if plan.ended else plan_lines(plan.predictions):
        _say(console, line)
    if plan.changed:
        differences = "; ".join(dict.fromkeys(plan.changed.values()))
        what = "they run again" if plan.restart else "kept: --rerun-changed runs them again"
        _say(
            console,
            f"made by other code or packages ({differences}): {len(plan.changed)} of the finished trials; {what}",
        )
    if plan.code.too_large:
        _say(
            console,
            f"the code differs from its commit by {plan.code.diff_bytes / 1e6:,.1f} MB, too much to be stored with the "
            "results; commit what belongs to it, and let git ignore the rest",
        )
    if plan.code.redacted:
        _say(
            console,
            f"what the code differs in from its commit looks like secrets in {', '.join(plan.code.redacted)}; the "
            "stored difference is without them, and git apply refuses it; keep them in the environment",
        )


def _searched(study: Study) -> str:
    """Where the trials of a search come from, in words."""
    search = study.search
    if isinstance(search, Population):
        return f"a population of {search.size} exchanges its best every {search.epochs_per_generation} epochs"
    assert search is not None
    return f"the sampler {search.sampler} suggests {search.num_configurations} configurations" + (
        f", the best {search.finalists} run again under other seeds" if len(study.seeds) > 1 else ""
    )


def show_outcome(plan: Plan, store: ResultStore, console: Console, *, comparison: str | None = None) -> int:
    """Show the leaderboard, imported rows included, the cost and where the picture is; name unfinished trials.

    Args:
        plan: made after the run, so that it knows all trials of a search.
        store: where its rows are.
        console: where to show it.
        comparison: what was predicted, and what the run held, in a line; None if nothing was to run.

    Returns:
        How many trials of the plan have not finished.
    """
    from analysis.figures.cost import cost_vs_accuracy
    from analysis.figures.style import save
    from analysis.leaderboard import leaderboard
    from analysis.methods import methods
    from study.results import load

    names = {trial.trial_id: plan.label(trial) for trial in plan.trials}
    rows = load(store.folder.address)
    rows = rows[rows["trial_id"].isin(names) | rows["imported_from"].notna()]
    board = leaderboard(rows)
    pruned = board["status"] == "pruned"
    console.print(_board(board[~pruned]))
    if pruned.any():
        cost_of_pruned = _number(board.loc[pruned, "device_seconds"].sum(skipna=False))
        _say(console, f"and {pruned.sum()} that ended early (pruned), {cost_of_pruned} device-seconds")
    if (board["judged"] < board["completed"]).any():
        _say(console, "of configurations that a search ran again, figures are without the seed that chose them")
    by_method = methods(rows)
    if 1 < len(by_method) < rows["configuration_id"].nunique():
        _say(console, "by method, each with the settings that its search chose, at the cost of the whole search:")
        console.print(_methods(by_method))
    _say(console, _cost(store.ledger()))
    if comparison is not None:
        _say(console, comparison)
    if rows["device_seconds"].notna().any():
        picture = store.folder / "cost_vs_accuracy.png"
        save(cost_vs_accuracy(rows), picture.address)
        _say(console, f"cost against accuracy: {picture}")
    statuses = dict(zip(rows["trial_id"], rows["status"], strict=True))
    unfinished = plan.total - sum(statuses.get(name) in DONE and name not in plan.paused for name in names)
    errors: dict[str, Any] = dict(zip(rows["trial_id"], rows["error"], strict=True))
    for trial_id in names:
        if (status := statuses.get(trial_id, "not run")) not in ("completed", "pruned"):
            error = f": {errors[trial_id]}" if isinstance(errors.get(trial_id), str) else ""
            log = f"; log: {place}" if (place := store.find_log(trial_id)) is not None else ""
            _say(console, f"{status}: {names[trial_id]} (trial {trial_id}){error}{log}")
    if unfinished > 0:
        if plan.ended:
            more = "; the search went on without them"
        elif not suffices(plan, store):
            more = "; more --budget goes on from here"
        else:
            more = "; the same command goes on"
        _say(console, f"{unfinished} of {plan.total} trials have not finished{more}")
    return max(0, unfinished)


def _board(board: pd.DataFrame) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("rank", "configuration", "seeds", "val MOTA", "IDF1", "HOTA", "test MOTA", "IDF1", "device-seconds"):
        table.add_column(name, justify="left" if name == "configuration" else "right")
    table.add_column("status")
    for rank, line in board.iterrows():
        spread = f" ± {line['val_mota_sd']:.3f}" if line["judged"] > 1 else ""
        seeds = str(line["seeds"]) if line["judged"] == line["seeds"] else f"{line['judged']} of {line['seeds']}"
        table.add_row(
            str(rank),
            line["configuration"],
            seeds,
            _fraction(line["val_mota"]) + spread,
            *(_fraction(line[name]) for name in ("val_idf1", "val_hota", "test_mota", "test_idf1")),
            _number(line["device_seconds"]),
            line["status"],
        )
    return table


def _methods(table: pd.DataFrame) -> Table:
    shown = Table(box=None, pad_edge=False)
    for name in ("rank", "method", "chosen", "trials", "val MOTA", "IDF1", "test MOTA", "IDF1", "device-seconds"):
        shown.add_column(name, justify="left" if name in ("method", "chosen") else "right")
    shown.add_column("loss weights")
    for rank, line in table.iterrows():
        figures = []
        for name in ("val_mota", "val_idf1", "test_mota", "test_idf1"):
            spread = f" ± {line[f'{name}_sd']:.3f}" if line["judged"] > 1 else ""
            figures.append(_fraction(line[name]) + spread)
        cost = _number(line["device_seconds"])
        row = [str(rank), line["method"], line["chosen"], str(line["trials"]), *figures, cost, line["weighting_status"]]
        shown.add_row(*row)
    return shown


def _cost(ledger: list[dict[str, Any]]) -> str:
    """The cost of everything that this study ever held, and what it went into."""
    trials = cost(entry for entry in ledger if entry["trial_id"] is not None)
    held = cost(entry for entry in ledger if entry["trial_id"] is None)["device_seconds"]
    total = trials.pop("device_seconds") + held
    shares = ", ".join(f"{name.removesuffix('_seconds')} {seconds:,.0f}" for name, seconds in trials.items())
    return f"cost of the study: {total:,.0f} device-seconds ({shares}; held for no trial {held:,.0f})"


def _fraction(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


def _number(value: float | None) -> str:
    return "unknown" if value is None or math.isnan(value) else f"{value:,.0f}"


def _say(console: Console, text: str) -> None:
    console.print(text, soft_wrap=True, markup=False, highlight=False)
