"""Commands that only look at results reach nobody, and nobody reaches them."""

import subprocess
import sys

from outcomes import write_outcomes

from study.weighting import equal, famo

COMMANDS = """
import sys
import psutil

bound = []
watched = ("socket.bind", "socket.connect")
sys.addaudithook(lambda event, found: bound.append((event, found[1])) if event in watched else None)

from analysis.compare import main as compare
from analysis.report import main as report
from study.run import main as run

results, page = sys.argv[1:]
codes = [
    report([results, "-o", page]),
    compare(["example", "example", "--results", results]),
    run(["status", "example", "--results", results]),
    run(["gc", "example", "--results", results]),
    run(["migrate", results]),
    run([]),
]
found = [(process.name(), connection) for process in [psutil.Process(), *psutil.Process().children(recursive=True)]
         for connection in process.net_connections(kind="inet")]
print(codes, bound, found)
"""


def test_commands_on_results_open_no_port(tmp_path):
    write_outcomes(tmp_path / "results", [(equal.Config(), [0.50, 0.52]), (famo.Config(), [0.6, 0.62])])
    command = [sys.executable, "-c", COMMANDS, str(tmp_path / "results"), str(tmp_path / "page.html")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[0, 0, 0, 0, 0, 0] [] []"
