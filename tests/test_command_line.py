import os
import subprocess
import sys

import pytest

COMMAND = "import sys; from study.command_line import exit_code; sys.exit(exit_code(lambda: print('a table'), ''))"


@pytest.mark.parametrize("command", [("-c", COMMAND), ("-m", "study.run")])
def test_a_reader_that_has_seen_enough_is_no_reason_for_a_traceback(command):
    read, write = os.pipe()
    os.close(read)
    ended = subprocess.run([sys.executable, *command], stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert (ended.returncode, ended.stderr) == (1, "")
