"""`python -m study.run repro TRIAL_ID`: run a stored trial again and say whether its rows are bit-equal.

On CPU they must be; on CUDA they come close, and the command says how close.
"""

import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from study.cluster_address import cluster_address
from study.command_line import CommandParser

if TYPE_CHECKING:
    from study.comparison import Comparison
    from study.results import ResultStore


def main(arguments: Sequence[str]) -> int:
    """Run a trial again, in results of its own that are removed afterwards.

    Returns:
        0 if its rows are bit-equal, or if they differ on CUDA and `--exact` was not given; 1 if they differ; 130 after
        Ctrl-C.

    Raises:
        UserError: no such trial, or one that cannot be run again here.
    """
    options = _parser().parse_args(arguments)
    from study.reproduction import find_trial

    stored, row = find_trial(options.results, options.trial, options.study)
    what = f"{row['weighting']}, seed {row['seed']}, {row['status']} after epoch {row['epochs']}"
    print(f"trial {row['trial_id']} of {row['study']}: {what}", flush=True)
    try:
        with _scratch(options.results) as place:
            return _run(stored, row, place, options.data, exact=options.exact)
    except KeyboardInterrupt:
        print("interrupted: nothing of the second run is left, the stored trial is as it was", file=sys.stderr)
        return 130


def _run(stored: "ResultStore", row: Mapping[str, Any], place: str, data: str | None, *, exact: bool) -> int:
    from rich.console import Console

    from study.comparison import compare
    from study.data import default_cache_dir
    from study.execute import run_study
    from study.live import Display
    from study.reproduction import first_epoch, last_epoch, plan_again, ran_on_gpu, tables
    from study.results import ResultStore
    from study.schema import DONE

    scratch = ResultStore(place, row["study"])
    plan = plan_again(row, stored, scratch, default_cache_dir(), data)
    with Display(plan, [], Console()) as display:
        run_study(plan, scratch, display, stop_after=last_epoch(row))
    now = scratch.trial(plan.trials[0].trial_id)
    assert now is not None
    first = first_epoch(stored, row)
    before, after = (tables(store, one, of=row, first=first) for store, one in ((stored, row), (scratch, now)))
    comparison = compare(before, after, whole=row["status"] in DONE)
    _show(comparison)
    as_stored = _say_the_ends(row, now)
    if comparison.equal and (comparison.rows or as_stored):
        return 0
    if ran_on_gpu(plan, now) and not exact:
        print("on a GPU differences are expected: its sums have no fixed order (--exact makes them an error)")
        return 0
    return 1


def _show(comparison: "Comparison") -> None:
    """Say that the rows are equal, or where and how far they differ."""
    compared = f"{comparison.tables} tables, {comparison.rows} rows"
    print(f"bit-equal: {compared}" if comparison.equal else f"not bit-equal: {compared} compared")
    if comparison.differences:
        first = comparison.differences[0]
        where = ", ".join(filter(None, (first.table, first.first, first.column)))
        print(f"first difference: {where}: {first.before!r} -> {first.now!r}")
        print(f"{'table':10} {'column':24} {'rows that differ':>16} {'largest difference':>18} {'relative':>9}")
    for found in comparison.differences:
        largest, relative = (
            "-" if value is None else f"{value:.3g}" for value in (found.largest, found.largest_relative)
        )
        rows = f"{found.rows} of {found.of}"
        print(f"{found.table:10} {found.column:24} {rows:>16} {largest:>18} {relative:>9}")
    for line in comparison.lonely:
        print(line)


def _say_the_ends(row: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Say how the two runs ended, if not alike, and what else tells them apart; returns whether they ended alike."""
    from study.comparison import made_otherwise

    one, other = (f"{end['status']}: {end['error']}" if end["error"] else end["status"] for end in (row, now))
    stopped = row["status"] in ("interrupted", "timeout") and now["status"] == "pruned"
    if stopped:
        print(f"compared up to epoch {row['epochs']}; the stored run ended there ({one})")
    elif one != other:
        print(f"the stored run ended {one}; this one {other}")
    if code := made_otherwise(row, now):
        print(f"made with other code: {', '.join(code)}")
    if row["device_name"] != now["device_name"] and None not in (row["device_name"], now["device_name"]):
        print(f"made on another device: {row['device_name']}, here {now['device_name']}")
    return stopped or one == other


@contextmanager
def _scratch(results: str) -> Iterator[str]:
    """A folder for the second run's results, removed at the end.

    On a cluster the workers need one that they see, too: a hidden one among the results.
    """
    if cluster_address() is None:
        with tempfile.TemporaryDirectory(prefix="study-repro-", ignore_cleanup_errors=True) as name:
            yield name
        return
    from study.files import open_folder

    folder = open_folder(results) / f".repro-{uuid.uuid4().hex[:12]}"
    folder.create()
    try:
        yield folder.address
    finally:
        folder.filesystem.delete_dir(folder.path)


def _parser() -> CommandParser:
    parser = CommandParser(
        prog="python -m study.run repro",
        description="Run a stored trial again and say whether its rows are bit-equal, or how far off they are.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("trial", metavar="TRIAL_ID", help="name of the trial, or at least its first 4 digits")
    parser.add_results()
    add("--study", metavar="NAME", help="the study, if several have this trial")
    add("--data", metavar="DIR", help="where the trial's data are, if not where they were")
    add("--exact", action="store_true", help="exit with 1 for any difference, on a GPU too")
    return parser
