import os
import subprocess
import sys

from study.command_line import CommandParser

COMMAND = "import sys; from study.command_line import exit_code; sys.exit(exit_code(lambda: print('a table'), ''))"


def test_a_reader_that_has_seen_enough_is_no_reason_for_a_traceback():
    read, write = os.pipe()
    os.close(read)
    ended = subprocess.run([sys.executable, "-c", COMMAND], stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert (ended.returncode, ended.stderr) == (1, "")


def test_results_are_where_the_command_line_says_or_else_the_environment(monkeypatch):
    def results(*arguments):
        parser = CommandParser(prog="some")
        parser.add_results()
        return parser.parse_args(arguments).results

    monkeypatch.delenv("LOSS_WEIGHTING_RESULTS", raising=False)
    assert results() == "results"
    monkeypatch.setenv("LOSS_WEIGHTING_RESULTS", "s3://ours/results")
    assert results() == "s3://ours/results"
    assert results("--results", "here") == "here"
