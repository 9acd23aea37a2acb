"""Secrets in text, known by their form or because the environment holds them; left out of what is kept or said."""

import os
import re
from collections.abc import Iterator

MARK = "<secret left out>"
"""Stands where a secret stood, and is taken for none: no form of one has its brackets."""

_WORDS = (
    r"(?:secret|passw(?:or)?d|passphrase|tokens?|credentials?"
    r"|(?:api|access|account|auth|client|encryption|private|secret|signing|storage)[_-]?key(?:[_-]?id)?)"
)
"""With what the name of a secret ends."""

_VALUE = r"[^\s\"'`\\{}<>$,;&]{8,}"
"""No whitespace, and nothing that a template or an expression would have."""

_FORMS = tuple(
    re.compile(form)
    for form in (
        r"(?s)(?P<secret>-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|(?=\n@@ )|\Z))",
        r"(?P<secret>\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b)",
        r"(?P<secret>\b(?:gh[opsur]_|github_pat_|glpat-|hf_|npm_|pypi-|xox[abeprs]-|ya29\.|AIza)[\w.-]{20,})",
        r"(?P<secret>\bsk-[\w-]{20,})",
        r"(?P<secret>\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]*)",
        r"\b[A-Za-z][\w+.-]*://(?P<secret>[^\s/:@\"'{}<>$]*:[^\s/@\"'{}<>$]+)@",
        rf"(?i)[?&][\w.-]*(?:{_WORDS}|sig|signature)=(?P<secret>[^\s\"'`\\{{}}<>$&]{{4,}})",
        r"(?i)\bauthorization[\"']?\s*[:=]\s*[\"']?(?:basic|bearer|token)\s+(?P<secret>[\w+/.=-]{8,})",
        rf"(?i){_WORDS}[\"']?\]?\s*(?::\s*\w+\s*)?(?:=>|[:=])\s*[bru]{{0,2}}[\"'](?P<secret>{_VALUE})[\"']",
    )
)

_FORMS_OUTSIDE_OF_PYTHON = (*_FORMS, re.compile(rf"(?im){_WORDS}[\"']?\s*[:=]\s*(?P<secret>{_VALUE})"))
"""In Python what follows without quotes is an expression."""

_NAME_OF_VARIABLE = re.compile(r"(?:KEY|SECRET|PASSWORD|PASSWD|PASSPHRASE|TOKENS?|CREDENTIALS?)(?:$|_)", re.I)
_SHORTEST = 8
"""Characters of a variable's value that can be a secret; shorter ones are `true`, `none` and the like."""

_NAME_OF_ANOTHER_PLACE = re.compile(r"[A-Z]+(?:_[A-Z]+)+")
"""What is written where a secret is only named, such as AWS_SECRET_ACCESS_KEY."""


def secrets_in(text: str, *, python: bool = False) -> Iterator[tuple[int, int]]:
    """Where secrets stand in a text, in any order; they may overlap.

    Args:
        text: any.
        python: whether it is source code in Python.
    """
    for form in _FORMS if python else _FORMS_OUTSIDE_OF_PYTHON:
        for found in form.finditer(text):
            if not _NAME_OF_ANOTHER_PLACE.fullmatch(found["secret"]):
                yield found.span("secret")
    for value in _of_environment():
        yield from (found.span() for found in re.finditer(re.escape(value), text))


def without_secrets(text: str) -> str:
    """A text with a mark in place of every secret."""
    kept, end = [], 0
    for first, last in sorted(secrets_in(text)):
        if first >= end:
            kept += [text[end:first], MARK]
        end = max(end, last)
    return "".join([*kept, text[end:]])


def _of_environment() -> Iterator[str]:
    """Secrets that this process was given in its environment."""
    for name, value in os.environ.items():
        if _NAME_OF_VARIABLE.search(name) and len(value) >= _SHORTEST and not os.path.exists(value):
            yield value
