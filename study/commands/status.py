"""`python -m study.run status STUDY`: what is done, what it cost, what is left of the budget, which is best so far."""

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from study.claim import is_running, read_claim
from study.command_line import CommandParser
from study.duration import show_duration
from study.errors import UserError, nearest
from study.files import open_folder
from study.object_store import shown
from study.progress import ended_trials, resumable
from study.results import ResultStore, cost, flatten, label
from study.schema import STATUSES
from study.search.metrics import is_figure


def main(arguments: Sequence[str]) -> int:
    """Run the command.

    Raises:
        UserError: there are no results of this study.
    """
    parser = CommandParser(prog="python -m study.run status", description="How far a study is, and what it has spent.")
    parser.add_argument("study", metavar="STUDY", help="name of the study")
    parser.add_results()
    options = parser.parse_args(arguments)
    folders = open_folder(options.results).folders()
    if options.study not in folders:
        place = shown(options.results)
        raise UserError(f"{place}: no results of a study {options.study!r}; {nearest(options.study, folders)}")
    for line in describe(ResultStore(options.results, options.study, create=False)):
        print(line)
    return 0


def describe(store: ResultStore) -> list[str]:
    """How far a study is, a line a fact; from its rows, its ledger and the word of its driver."""
    claim, running = read_claim(store), is_running(store)
    rows, ledger = [row for row in store.trials() if row["imported_from"] is None], store.ledger()
    paused = resumable(rows, store)
    lines = [_driver(store, claim, running), _trials(claim, rows, paused, ledger, running), _spent(claim, ledger)]
    if running and isinstance(now := claim.get("now"), dict) and "eta" in now:
        lines.append(f"ETA: {now['eta']}")
    # One that was stopped is told only while there is no other: its figure is not that of a whole training.
    judged = [row for row in rows if is_figure(row["val_mota"])]
    best = max(judged, key=lambda row: (row["status"] == "completed", row["val_mota"]), default=None)
    if best is not None:
        names = [name for name in best if "." in name]
        figures = " ".join(
            f"{name.upper()} {best[f'val_{name}']:.3f}"
            for name in ("mota", "idf1", "hota")
            if is_figure(best[f"val_{name}"])
        )
        text = label(flatten(best), names)
        lines.append(f"best: val {figures} ({text or best['weighting']} seed={best['seed']}, trial {best['trial_id']})")
    return lines


def _driver(store: ResultStore, claim: dict[str, Any], running: bool) -> str:
    if not running:
        how = "was killed; the same command goes on" if claim.get("running") else "is not running"
        return f"{store.study}: {how}"
    started = time.strftime("%Y-%m-%d %H:%M", time.localtime(claim.get("started_at", time.time())))
    return f"{store.study}: runs since {started}, process {claim.get('pid', '?')} on {claim.get('hostname', '?')}"


def _trials(
    claim: dict[str, Any],
    rows: list[dict[str, Any]],
    paused: frozenset[str],
    ledger: list[dict[str, Any]],
    running: bool,
) -> str:
    seen = Counter(row["status"] for row in rows)
    counts: dict[str, int] = {status: seen[status] for status in STATUSES}
    under_way = {entry["trial_id"] for entry in ledger if entry["status"] == "running" and entry["kind"] == "attempt"}
    counts["running" if running else "broken off"] = len(under_way)
    counts["pruned"] -= len(paused)
    counts["paused"] = len(paused - under_way)
    counts["interrupted"] -= sum(row["trial_id"] in under_way for row in rows if row["status"] == "interrupted")
    of = f" of {claim['total']}" if isinstance(claim.get("total"), int) else ""
    parts = ", ".join(f"{count} {status}" for status, count in counts.items() if count > 0)
    return f"trials: {len(ended_trials(rows, paused))}{of} done" + (f" ({parts})" if parts else "")


def _spent(claim: dict[str, Any], ledger: list[dict[str, Any]]) -> str:
    spent = cost(ledger)["device_seconds"]
    text = f"spent: {spent:,.0f} device-seconds ({show_duration(spent)})"
    budget = claim.get("budget_device_seconds")
    if isinstance(budget, int | float):
        text += f" of {show_duration(budget)}, {show_duration(max(0.0, budget - spent))} left"
    return text
