"""`python -m study.run import STUDY FILE_OR_FOLDER...`: bring past runs into a study, marked as imported."""

import argparse
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from study.command_line import CommandParser
from study.errors import UserError

if TYPE_CHECKING:
    from study.imports.rows import Imported
    from study.imports.taking import Options
    from study.imports.writing import Change

_DESCRIPTION = """Bring past runs into a study as rows that say what they were read from.

Read are CSV files (a header with names, one row a run), TensorBoard's event files (one run a folder) and MLflow's file
store (mlruns). Names are those of the platform's tables, others are renamed: weighting, seed, status, epochs, val_mota,
val_idf1, test_mota, ..., device_seconds; settings as after --set, such as train.lr, weighting.loss_weights.cls, and
other.NAME for one that the platform does not have; in series also train/loss/TASK, val/loss/TASK,
train/loss_weight/TASK.
Fractions are fractions: MOTA .713, not 71.3. The same source imported again replaces what it brought before."""

_EXAMPLES = """examples:
  python -m study.run import hwf_grid past.csv --map method=weighting --map 'MOTA (val)=val_mota' --percent
  python -m study.run import hwf_grid runs/ --map 'Val/MOTA=val_mota' --known-only --set weighting=hwf
  python -m study.run import hwf_grid mlruns/ --map lr=train.lr --data-name MOT17 --dry-run
"""


def main(arguments: Sequence[str]) -> int:
    """Read all runs, then write their rows, and say what they are.

    Raises:
        UserError: a mistake in an option or a source; nothing is written then.
    """
    options = _parser().parse_args(arguments)

    from study.files import open_folder
    from study.imports.rows import make_rows
    from study.imports.sources import read
    from study.imports.writing import compare, write
    from study.results import ResultStore

    name, taking = _study_name(options.study), _options(options)
    runs = [run for place in options.sources for run in read(place)]
    imported, empty = make_rows(runs, taking)
    if not imported:
        known = ", ".join(sorted({name for run in runs for name in run.names})) or "none"
        raise UserError(f"{', '.join(options.sources)}: no run with a figure such as val_mota; names there: {known}")
    is_new = name not in open_folder(options.results).folders()
    change = compare(ResultStore(options.results, name, create=False), imported)
    if not options.dry_run:
        write(ResultStore(options.results, name), imported, change)
    verb = "would be imported" if options.dry_run else "imported"
    counts = Counter(run.trial["status"] for run in imported)
    statuses = ", ".join(f"{count} {status}" for status, count in counts.items())
    print(f"{name}{' (a new study)' if is_new else ''}: {len(imported)} runs {verb}: {statuses}")
    _say_more(imported, change)
    asked = {*taking.naming.ignored, *taking.naming.name_columns}
    left_out = {name for run in runs for name in run.names if taking.naming.ours(name, run) is None} - asked
    for what, which in (("names", left_out), ("runs without a figure", {run.where for run in empty})):
        if which:
            print(f"left out, {what}: {', '.join(sorted(which))}")
    return 0


def _say_more(imported: Sequence["Imported"], change: "Change") -> None:
    from study.imports.rows import NO_SEED

    rows = [run.trial for run in imported]
    print(f"settings: {', '.join(sorted({key for run in imported for key in run.taken.settings}))}")
    counts = {
        "with series over epochs": sum(bool(run.epochs) for run in imported),
        "without device_seconds, so of unknown cost": sum("device_seconds" not in row for row in rows),
        f"without a seed, kept as seed {NO_SEED}": sum(row["seed"] == NO_SEED for row in rows),
        f"in place of earlier rows of {', '.join(sorted(set(change.replaced.values())))}": len(change.replaced),
        "earlier rows that the file no longer has, removed": len(change.removed),
    }
    for what, count in counts.items():
        if count:
            print(f"{what}: {count}")


def _study_name(text: str) -> str:
    """Name of the study, which need not exist, or of the one that a file defines."""
    from pydantic import TypeAdapter, ValidationError

    from study.config import StudyName
    from study.studies import load_study

    if text.endswith(".py"):
        return load_study(text).name
    try:
        return TypeAdapter(StudyName).validate_python(text)
    except ValidationError:
        raise UserError(f"{text}: no name of a study; expected letters, digits, '_', '.' and '-'") from None


def _options(options: argparse.Namespace) -> "Options":
    from study.config import digest
    from study.imports.names import Naming
    from study.imports.taking import Options

    if options.steps_per_epoch < 1:
        raise UserError(f"--steps-per-epoch {options.steps_per_epoch}: expected at least 1")
    name_columns = [name.strip() for name in options.name_columns.split(",") if name.strip()]
    return Options(
        naming=Naming(_pairs("--map", options.map), frozenset(options.ignore), name_columns, options.known_only),
        defaults=_pairs("--set", options.set),
        percent=options.percent,
        steps_per_epoch=options.steps_per_epoch,
        data_hash=digest(options.data_name) if options.data_name else options.data_hash,
    )


def _pairs(option: str, assignments: Sequence[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for assignment in assignments:
        name, equals, value = assignment.rpartition("=") if option == "--map" else assignment.partition("=")
        if not (name and equals and value):
            raise UserError(f"{option} {assignment}: expected {'THEIRS=OURS' if option == '--map' else 'KEY=VALUE'}")
        if name in pairs:
            raise UserError(f"{option} {assignment}: {name!r} has {option} {name}={pairs[name]} already")
        pairs[name] = value
    return pairs


def _parser() -> CommandParser:
    parser = CommandParser(
        prog="python -m study.run import",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("study", metavar="STUDY", help="name of the study that the rows go to; one of their own is made if need be")
    add("sources", nargs="+", metavar="FILE_OR_FOLDER", help="CSV file, folder of event files, or mlruns")
    parser.add_results()
    add("--map", action="append", default=[], metavar="THEIRS=OURS", help="what a name of the source is here")
    add("--ignore", action="append", default=[], metavar="NAME", help="leave out a name of the source")
    add("--known-only", action="store_true", help="leave out every name that is unknown here")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="what holds for runs that do not say it")
    add("--percent", action="store_true", help="MOTA and other fractions are given as percentages")
    add("--name-columns", default="", metavar="A,B", help="columns of a CSV file that tell its runs apart")
    add("--steps-per-epoch", type=int, default=1, metavar="N", help="steps of a series in an epoch (default: 1)")
    data = parser.add_mutually_exclusive_group()
    data.add_argument("--data-name", metavar="NAME", help="what the runs were trained and validated on")
    data.add_argument("--data-hash", default="imported", metavar="HASH", help="or its hash, as in data_hash of trials")
    add("--dry-run", action="store_true", help="say what would be imported, and write nothing")
    return parser
