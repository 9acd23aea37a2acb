"""The table of checks that a script prints."""

import time
from typing import Any

import pandas as pd


class Rows:
    """The table of checks."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def add(self, check: str, seconds: float, seen: str, problems: list[str]) -> None:
        """A line of it, which is printed at once."""
        result = "holds" if not problems else "FAILED: " + "; ".join(problems)
        self.rows.append({"check": check, "s": seconds, "seen": seen, "result": result})
        print(f"{time.strftime('%H:%M:%S')} {check} ({seconds:.0f} s): {seen}: {result}", flush=True)

    def end(self) -> int:
        """Print it; returns the exit code."""
        print(pd.DataFrame(self.rows).to_string(index=False, float_format="%.0f"))
        failed = sum(row["result"] != "holds" for row in self.rows)
        print("all checks hold" if not failed else f"{failed} checks failed")
        return 1 if failed else 0
