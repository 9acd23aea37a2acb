"""Differences of code without the secrets in them. `git apply` refuses what remains, so that none passes for whole."""

import re
from pathlib import PurePosixPath

from study.secrecy import MARK, secrets_in

_SECTION = re.compile(r"(?m)^(?=diff --git )")
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_BODY = re.compile(r"(?m)^(?:@@ |GIT binary patch)")

_FILES = re.compile(
    r"(?i)\.env(\..*)?|\.(netrc|pgpass|pypirc|s3cfg|boto)|id_(rsa|dsa|ecdsa|ed25519)|credentials(\.\w+)?"
    r"|.*\.(pem|key|p12|pfx|jks|keystore|kdbx)"
)
"""Names of files that are there to hold secrets; none of their content is kept, in whatever form it is."""

_HEADING = (
    "Secrets were left out of %s, where lines begin with an exclamation mark: git apply refuses this difference until "
    "those lines are whole again\n"
)


def redact(difference: bytes) -> tuple[bytes, tuple[str, ...]]:
    """A difference as `git diff` makes it, with a mark in place of every secret, and the files that had some.

    Lines with a mark begin with an exclamation mark, which no line of a difference does; a heading says so. Of other
    binary files than those that are named for it, the content is not looked into.
    """
    text = difference.decode(errors="surrogateescape")
    sections = [_redact_section(section) for section in _SECTION.split(text)]
    files = tuple(dict.fromkeys(name for _, name in sections if name is not None))
    if not files:
        return difference, ()
    whole = _HEADING % ", ".join(files) + "".join(section for section, _ in sections)
    return whole.encode(errors="surrogateescape"), files


def _redact_section(section: str) -> tuple[str, str | None]:
    """What a difference has on one file, redacted, and the file's name if it had to be."""
    name = _name(section)
    begin = _BODY.search(section)
    if begin is None:  # no content: another mode, or an empty file
        return section, None
    if _FILES.fullmatch(PurePosixPath(name).name):
        return f"{section[: begin.start()]}@@ -1 +1 @@\n!{MARK}\n", name
    if begin[0].startswith("GIT"):
        return section, None
    spans = sorted(secrets_in(section, python=name.endswith(".py")))
    if not spans:
        return section, None
    lines, start = [], 0
    for line in _LINE.findall(section):
        lines.append(_redact_line(line, [(first - start, last - start) for first, last in spans]))
        start += len(line)
    return "".join(lines), name


def _redact_line(line: str, spans: list[tuple[int, int]]) -> str:
    content = len(line.rstrip("\r\n"))
    within = [(max(0, first), min(last, content)) for first, last in spans if first < content and last > 0]
    if not within:
        return line
    kept, end = ["!"], 0
    for first, last in within:
        if first >= end:
            kept += [line[end:first], MARK]
        end = max(end, last)
    return "".join([*kept, line[end:]])


def _name(section: str) -> str:
    """Path of the file; the heading has it twice, and without renames the two are equal."""
    paths = section.partition("\n")[0].removeprefix("diff --git ")
    return paths[: len(paths) // 2].strip('"').removeprefix("a/")
