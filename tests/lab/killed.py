"""Run a program and kill it with SIGKILL at a moment: `python -m lab.killed SECONDS WHOM ARGV...`.

WHOM is `alone`, so that what it had started goes on, or `all`, as when a machine stops. Exit
status 137 if it was killed, else its own.
"""

import os
import signal
import subprocess
import sys

KILLED = 128 + signal.SIGKILL


def main() -> None:
    seconds, whom, *argv = sys.argv[1:]
    program = subprocess.Popen(argv, start_new_session=True)
    try:
        sys.exit(program.wait(float(seconds)))
    except subprocess.TimeoutExpired:
        if whom == "all":
            os.killpg(program.pid, signal.SIGKILL)
        else:
            program.kill()
        program.wait()
    sys.exit(KILLED)


if __name__ == "__main__":
    main()
