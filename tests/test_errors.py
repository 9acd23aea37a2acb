import os
import subprocess
import sys

COMMAND = "import sys; from study.errors import exit_code; sys.exit(exit_code(lambda: print('a table'), ''))"


def test_a_reader_that_has_seen_enough_is_no_reason_for_a_traceback():
    read, write = os.pipe()
    os.close(read)
    ended = subprocess.run([sys.executable, "-c", COMMAND], stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert (ended.returncode, ended.stderr) == (1, "")
