"""Object stores: opened with what results need of them, and waited for while they do not answer."""

import random
import re
import time
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

import pyarrow as pa
from pyarrow import fs

from study.errors import UserError

PATIENCE_SECONDS = 120.0
"""How long a store that does not answer, or says that it is too busy, is asked again."""

_LONGEST_PAUSE = 10.0
_REQUEST_SECONDS = 30.0  # the SDK's default of 3 gives a slow store up in the middle of an answer
_CONNECT_SECONDS = 5.0

_PASSING = re.compile(
    r"NETWORK_CONNECTION|SLOW_DOWN|INTERNAL_FAILURE|SERVICE_UNAVAILABLE|THROTTLING|REQUEST_TIMEOUT|HTTP status 5\d\d"
    r"|HTTP status 429|RequestTimeTooSkewed"
)
"""What the SDK says of faults that end by themselves. All others, such as missing rights, do not."""

_OPTIONS = ("region", "scheme", "endpoint_override", "tls_ca_file_path")

_SECRET_OPTION = re.compile(r"secret|key|token|password|sig|credential", re.I)
"""Stores other than S3 may take some in an address, such as Azure's `client_secret`."""

T = TypeVar("T")


def open_store(address: str) -> tuple[fs.FileSystem, str]:
    """File system and path of `s3://bucket/folder` or of another address that pyarrow knows, such as `gs://`.

    For S3, credentials come before an `@`, or else from the environment, `~/.aws` or the machine's role; `region`,
    `scheme`, `endpoint_override` and `tls_ca_file_path` may follow a question mark.

    Raises:
        UserError: the address cannot be understood, or there is no such bucket, or it cannot be reached or used.
    """
    if not address.startswith("s3://"):
        try:
            filesystem, path = fs.FileSystem.from_uri(address)
        except (OSError, pa.ArrowException) as error:
            raise UserError(
                f"{shown(address)}: not a folder that can be opened ({reason(error)}); give a path, s3:// or gs://"
            ) from None
        return filesystem, path.rstrip("/")
    parts = urlsplit(address)
    bucket = parts.netloc.rpartition("@")[2]
    options = dict(parse_qsl(parts.query))
    if not bucket or set(options) - set(_OPTIONS):
        raise UserError(
            f"{shown(address)}: expected s3://BUCKET/FOLDER, with nothing but {', '.join(_OPTIONS)} behind a question "
            "mark"
        )
    if ":" in bucket:
        raise UserError(f"{shown(address)}: expected s3://BUCKET/FOLDER; in a key before an @ write / as %2F")
    credentials = {}
    if parts.username is not None:
        credentials = {"access_key": unquote(parts.username), "secret_key": unquote(parts.password or "")}
    try:
        if "region" not in options and "endpoint_override" not in options:
            options["region"] = fs.resolve_s3_region(bucket)
        filesystem = fs.S3FileSystem(
            **credentials,
            **options,
            request_timeout=_REQUEST_SECONDS,
            connect_timeout=_CONNECT_SECONDS,
            allow_delayed_open=True,  # one request for a small file, instead of three
        )
        found = filesystem.get_file_info(bucket).type
    except (OSError, pa.ArrowException) as error:
        raise UserError(
            f"{shown(address)}: cannot be used ({reason(error)}); see to name, credentials and network"
        ) from None
    if found == fs.FileType.NotFound:
        raise UserError(f"{shown(address)}: no such bucket {bucket!r}; make it, or give another address")
    return filesystem, (bucket + unquote(parts.path)).rstrip("/")


def patiently(call: Callable[[], T]) -> T:
    """What a call to a store gives; called again while the store does not answer.

    Only for calls that may be made twice.

    Raises:
        OSError: what the store says, at once if that will not pass, else after `PATIENCE_SECONDS`.
    """
    give_up = time.monotonic() + PATIENCE_SECONDS
    pause = 0.5
    while True:
        try:
            return call()
        except OSError as error:
            if _PASSING.search(str(error)) is None or time.monotonic() + pause > give_up:
                raise
        time.sleep(pause * random.uniform(0.5, 1.0))  # many workers that were refused together come back apart
        pause = min(2 * pause, _LONGEST_PAUSE)


def shown(address: str) -> str:
    """What an address says of the place, for people."""
    kept = without_credentials(address)
    return kept.partition("?")[0] if "://" in kept else kept


def without_credentials(address: str) -> str:
    """An address that leads to the same place if the environment brings the credentials; a path as it is."""
    scheme, separator, rest = address.partition("://")
    if not separator:
        return address
    place, _, query = rest.partition("?")
    host, slash, path = place.partition("/")
    if "@" not in host and ":" in host and "@" in path:  # a key with a slash in it, which had to be written as %2F
        host, slash, path = path.rpartition("@")[2], "", ""
    kept = "&".join(pair for pair in query.split("&") if not _SECRET_OPTION.search(pair.partition("=")[0]))
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}{'?' if kept else ''}{kept}"


def reason(error: Exception) -> str:
    """The first line of what an error says."""
    text = getattr(error, "strerror", None) or str(error)
    return text.splitlines()[0] if text else type(error).__name__
