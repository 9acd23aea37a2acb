"""`python -m study.run STUDY`: run a study, or go on with it; alone, list the studies there are.

A few names are commands instead (`study.commands`): `python -m study.run status STUDY`.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NoReturn

from rich.console import Console

from study.command_line import CommandParser, exit_code
from study.commands import COMMANDS
from study.config import Study, read_value, set_keys
from study.errors import KEPT, UserError
from study.frozen import validate
from study.search_config import Search
from study.space import dimensions
from study.watchers import TUNE, check_logs

if TYPE_CHECKING:
    from study.claim import Claim
    from study.plan import Plan
    from study.results import ResultStore

_EXAMPLES = """examples:
  python -m study.run hwf_grid
  python -m study.run hwf_grid --dry-run --seeds 3 --set train.epochs=2
  python -m study.run my_study.py --data MOT17/train --train MOT17-02,MOT17-04 --val 'MOT17-09[1-240]'
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        0 if every trial finished, 1 if some did not, or Ray broke, 2 after a mistake of the user, 130 or 143 after
        Ctrl-C or SIGTERM.
    """
    return exit_code(lambda: _main(arguments), KEPT)


def _main(arguments: Sequence[str] | None) -> int:
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments and arguments[0] in COMMANDS:
        command = importlib.import_module(f"study.commands.{COMMANDS[arguments[0]]}")
        return int(command.main(arguments[1:]))
    options = _parser().parse_args(arguments)
    check_logs(options.log)
    console = Console()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console = Console(width=160)

    from study.results import ResultStore
    from study.studies import list_studies, load_study

    if options.study is None:
        studies = list_studies()
        width = max((len(name) for name, _, _ in studies), default=0)
        for name, description, _ in studies:
            print(f"{name:{width}}  {description}")
        return 0

    study = override(load_study(options.study), options)

    store = ResultStore(options.results, study.name, create=not options.dry_run)
    if options.dry_run:
        _planned(study, store, options, console)
        return 0
    from study.claim import claimed

    with claimed(store) as claim:
        return _run(study, store, options, console, claim)


def _planned(study: Study, store: "ResultStore", options: argparse.Namespace, console: Console) -> "Plan":
    """The plan of a study, after it was shown; whatever is unknown was probed if someone asks for its cost."""
    from study.data import default_cache_dir
    from study.forecast import with_probes
    from study.plan import make_plan
    from study.summary import show_plan

    plan = make_plan(study, store, cache_dir=default_cache_dir(), rerun_changed=options.rerun_changed)
    if options.dry_run or (study.execution.budget_device_seconds is not None and not plan.ended):
        plan = with_probes(plan, lambda line: console.print(line, soft_wrap=True, markup=False, highlight=False))
    show_plan(plan, store, console, every_trial=options.dry_run)
    return plan


def _run(study: Study, store: "ResultStore", options: argparse.Namespace, console: Console, claim: "Claim") -> int:
    """Plan a study, run what is missing, and show what has come of it; the exit code."""
    from study.budget import refuse_useless_budget
    from study.execute import run_study
    from study.forecast import outcome_line
    from study.live import Display
    from study.plan import make_plan
    from study.repository import read_code
    from study.summary import show_outcome
    from study.watchers.watcher import Watchers

    plan = _planned(study, store, options, console)
    refuse_useless_budget(plan, store)
    store.write_manifest(plan.splits.data_hash, plan.splits.manifest, plan.study.data.root)
    if plan.code.diff_hash is not None:
        store.write_difference(plan.code.diff_hash, read_code()[1])
    ledger = store.ledger()
    display = Display(plan, store.trials(), console)
    told = {"total": plan.total, "budget_device_seconds": study.execution.budget_device_seconds}
    claim.tell(told, lambda: {"eta": display.eta})
    tune_folder = store.local_folder() / TUNE / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}" if TUNE in options.log else None
    with display, Watchers(options.log, plan, store, display) as watchers:
        run_study(plan, store, watchers, tune_folder=tune_folder, wait=options.wait)
    lines = watchers.lines
    if tune_folder is not None and tune_folder.exists():
        lines.append(f'tune: ray.tune.ExperimentAnalysis("{tune_folder}")')
    comparison = None
    if not plan.ended:
        comparison = outcome_line(plan, ledger, store.ledger())
        plan = make_plan(study, store, cache_dir=plan.cache_dir)  # knows what a search has suggested
    unfinished = show_outcome(plan, store, console, comparison=comparison)
    for line in lines:
        console.print(line, soft_wrap=True, markup=False, highlight=False)
    return 1 if unfinished else 0


def override(study: Study, options: argparse.Namespace) -> Study:
    """The study with what the command line sets.

    Raises:
        UserError: a setting that does not exist, does not fit, or varies between the study's points anyway.
    """
    values: dict[str, Any] = {}
    if options.data is not None:
        values["data.root"] = options.data
        if options.train or options.val:
            values["data.test"] = []
    for split in ("train", "val", "test"):
        if getattr(options, split) is not None:
            values[f"data.{split}"] = [name.strip() for name in getattr(options, split).split(",") if name.strip()]
    if options.seeds is not None:
        values["seeds"] = _seeds(options.seeds)
    if options.workers is not None:
        values["execution.workers"] = options.workers
    if options.budget is not None:
        values["execution.budget_device_seconds"] = options.budget
    if options.price is not None:
        values["execution.price_per_device_hour"] = options.price
    for assignment in options.set:
        key, equals, text = assignment.partition("=")
        if not (key and equals):
            raise UserError(f"--set {assignment}: expected KEY=VALUE, such as --set train.epochs=2")
        values[key] = read_value(text)
        _refuse_varied(study, key)
    return validate(Study, set_keys(study.model_dump(), values, "--set"), "--set") if values else study


def _refuse_varied(study: Study, key: str) -> None:
    varied = [(f"points[{i}]", name) for i, point in enumerate(study.points) for name in point]
    if isinstance(study.search, Search):
        varied += [("search.space", name) for name, _ in dimensions(study.search.space)]
    elif study.search is not None:
        varied.append(("the population", "weighting"))
    for place, name in varied:
        if f"{key}.".startswith(f"{name}."):
            raise UserError(f"--set {key}: {place} of the study sets {name} itself; change it in the study file")


def _seeds(text: str) -> list[int]:
    """`3` means seeds 0, 1 and 2; `3,5,7` those seeds, and `3,` the one seed 3."""
    try:
        numbers = [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 0 or text.strip() == "0":
        raise UserError(f"--seeds {text}: expected how many (3 means 0,1,2) or which ones (3,5,7)")
    return numbers if "," in text else list(range(numbers[0]))


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog="python -m study.run",
        description="Run a study, or go on with it. Without a study: list those there are.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("study", nargs="?", metavar="STUDY", help="name of a file in search_spaces, or path of a file of your own")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="change a setting, such as train.epochs=2")
    add("--dry-run", action="store_true", help="show the plan and its cost, measuring what is not known; run nothing")
    parser.add_results()
    add("--wait", action="store_true", help="where no trial fits on the cluster, wait for machines that join it")
    add("--data", metavar="DIR", help="folder of sequences in MOTChallenge layout")
    for split in ("train", "val", "test"):
        add(f"--{split}", metavar="SEQ,...", help=f"{split} sequences, with frames if not all: NAME,NAME[1-240]")
    add("--seeds", metavar="N", help="how many seeds (3 means 0,1,2), or which ones (3,5,7)")
    add("--workers", type=int, metavar="N", help="workers of each trial")
    add("--budget", metavar="TIME", help="device-hours that the study may cost in all, such as 2h or 45m: a hard cap")
    add("--log", action="append", default=[], metavar="NAME", help="keep a log for tensorboard, mlflow or tune too")
    add("--price", type=float, metavar="P", help="of a device for an hour: tell costs in money, too")
    add("--rerun-changed", action="store_true", help="run finished trials of other code or packages again")
    return parser


def _leave(code: int) -> NoReturn:
    """End the process; at once where Ray may have broken: its threads may crash Python's own end then."""
    if code == 1 and "ray" in sys.modules:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    _leave(main())
