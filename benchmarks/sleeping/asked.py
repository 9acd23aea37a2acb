"""Requests to an object store, of whole studies of few trials."""

import itertools
import re
import sys
from collections import Counter
from pathlib import Path

import pandas as pd
from driver import Driver

from sleeping.running import command_and_variables

sys.path.append(str(Path(__file__).parents[2] / "tests"))

_KINDS = re.compile(r"/(trials|steps|epochs|sequences|ledger|checkpoints|data|diffs)/")


def measure(numbers: list[int]) -> None:
    """Print how many requests studies of so many trials make, and how many each trial adds."""
    counts = {number: requests(number) for number in numbers}
    table = pd.DataFrame(counts).fillna(0).astype(int).sort_index()
    table.loc["all"] = table.sum()
    for fewer, more in itertools.pairwise(numbers):
        table[f"a trial, {fewer} to {more}"] = (table[more] - table[fewer]) / (more - fewer)
    print(table.round(2).to_string())


def requests(trials: int) -> Counter[str]:
    """Requests of one study, two trials at a time, by method and table."""
    from s3_server import running  # type: ignore[import-not-found]  # of the tests

    seen: Counter[str] = Counter()

    def note(method: str, path: str) -> None:
        kind = _KINDS.search(path)
        of_bucket = path.strip("/").count("/") == 0
        seen[f"{'LIST' if of_bucket and method == 'GET' else method} {kind[1] if kind else ''}".strip()] += 1

    with running("bucket") as server:
        server.refuse = note
        results = server.uri.replace("@bucket", "@bucket/results")
        command, variables = command_and_variables(results, trials, 2, 0.1, [])
        driver = Driver(command, variables | {"AWS_EC2_METADATA_DISABLED": "true"})
        if driver.wait() != 0:
            raise SystemExit("\n".join(driver.errors[-20:]))
    return seen
