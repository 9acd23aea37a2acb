"""Every fault script of this folder, one after the other, with a line for each at the end.

    make chaos
    python benchmarks/chaos FOLDER [NAME ...]

Each is `python benchmarks/chaos/NAME.py FOLDER/NAME`, prints a table, and ends with code 0 if all its checks hold, 1 if
one fails, and 2, with a line that says why, where this machine lacks what it needs: that fails, too.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd

SCRIPTS = {
    "kills": "processes of studies and of Ray's are killed at random moments",
    "surroundings": "the disk is full, and the clock jumps, while a study runs",
    "ray_up": "nodes of a cluster from `ray up` are killed and cut off",
}
"""What to run, and what each does."""

RESULTS = {0: "holds", 1: "FAILED", 2: "FAILED: cannot run here"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="gets the results")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(SCRIPTS)}; default all")
    options = parser.parse_args()
    if unknown := set(options.names) - set(SCRIPTS):
        parser.error(f"no script {', '.join(sorted(unknown))}; there are {', '.join(SCRIPTS)}")
    rows = []
    for name in options.names or SCRIPTS:
        print(f"== {name}: {SCRIPTS[name]}", flush=True)
        start = time.monotonic()
        code, last = run(name, options.folder / name)
        rows.append(
            {
                "script": name,
                "minutes": f"{(time.monotonic() - start) / 60:.1f}",
                "result": RESULTS.get(code, f"FAILED: exit code {code}"),
                "last line": last,
            }
        )
    print(pd.DataFrame(rows).to_string(index=False))
    return 0 if all(row["result"] == RESULTS[0] for row in rows) else 1


def run(name: str, folder: Path) -> tuple[int, str]:
    """Run a script, passing on what it prints; returns its exit code and the last line."""
    last = ""
    command = [sys.executable, str(Path(__file__).parent / f"{name}.py"), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            last = line.strip() or last
    return process.returncode, last


if __name__ == "__main__":
    sys.exit(main())
