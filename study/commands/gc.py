"""`python -m study.run gc NAME`: remove a study's checkpoints that nothing needs any more.

Models of the best trials stay, and whatever an unfinished trial needs to go on (`study.housekeeping`). Rows stay.
"""

from collections.abc import Iterable, Sequence

from study.command_line import CommandParser
from study.errors import UserError, nearest


def main(arguments: Sequence[str]) -> int:
    """Remove what is superfluous, or only say what that is.

    Returns:
        0.

    Raises:
        UserError: no results of this study, or a file that cannot be read or removed.
    """
    options = _parser().parse_args(arguments)
    from study.files import open_folder
    from study.housekeeping import Finding, remove, survey
    from study.results import ResultStore, stored_studies

    studies = stored_studies(options.results)
    if options.name not in studies:
        place = open_folder(options.results)
        raise UserError(f"no results of a study {options.name!r} in {place}; {nearest(options.name, studies)}")
    store = ResultStore(options.results, options.name, create=False)
    superfluous, kept = survey(store)

    def tell(what: str, finding: Finding) -> None:
        print(f"{what:12}  {finding.path}  {finding.size:,} bytes  {finding.reason}", flush=True)

    def total(findings: Iterable[Finding]) -> str:
        sizes = [finding.size for finding in findings]
        return f"{len(sizes)} files of {sum(sizes):,} bytes"

    for finding in kept:
        tell("keep", finding)
    for finding in superfluous:
        if not options.dry_run:
            remove(store, finding)
        tell("would delete" if options.dry_run else "deleted", finding)
    verb = "would be deleted" if options.dry_run else "deleted"
    print(f"{options.name}: {total(superfluous)} {verb}, {total(kept)} kept")
    return 0


def _parser() -> CommandParser:
    parser = CommandParser(
        prog="python -m study.run gc",
        description="Remove a study's checkpoints that nothing needs any more; rows stay.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("name", metavar="NAME", help="name of the study")
    add("--dry-run", action="store_true", help="only show what would be deleted")
    parser.add_results()
    return parser
