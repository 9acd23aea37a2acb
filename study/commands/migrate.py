"""`python -m study.run migrate PATH`: bring Parquet files of older schema versions to the one of now."""

from collections.abc import Sequence

from study.command_line import CommandParser
from study.schema import SCHEMA_VERSION


def main(arguments: Sequence[str]) -> int:
    """Rewrite the files that need it, and say how many of which version they were.

    Raises:
        UserError: no results there, an unreadable file, one of a newer version or of none, or no room to write.
    """
    parser = CommandParser(
        prog="python -m study.run migrate", description=__doc__.partition(": ")[2], allow_abbrev=False
    )
    parser.add_argument("path", metavar="PATH", help="results of one study or of several; also s3:// or gs://")
    parser.add_argument("--dry-run", action="store_true", help="say what would be rewritten, and rewrite nothing")
    options = parser.parse_args(arguments)

    from study.files import open_folder
    from study.migrations import migrate

    folder = open_folder(options.path)
    versions = migrate(folder, dry_run=options.dry_run)
    current = versions.pop(SCHEMA_VERSION, 0)
    would_be = "that would be " if options.dry_run else ""
    for version, files in sorted(versions.items()):
        print(f"{folder}: files of schema version {version} {would_be}rewritten in version {SCHEMA_VERSION}: {files}")
    print(f"{folder}: files of schema version {SCHEMA_VERSION} already: {current}")
    return 0
