"""Becomes another program, which the kernel kills when its parent dies.

``python -I -S guard.py PARENT PROGRAM ARGUMENT...``: PARENT is the process id of who
starts it. A small program of its own: code between fork and exec is not safe in a
process with threads. The kernel's promise is Linux's; elsewhere a server survives a
parent that is killed.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Ask for the signal, make sure that it was not too late, and become the program."""
    parent, *command = sys.argv[1:]
    if sys.platform == "linux":
        library = ctypes.CDLL(None, use_errno=True)
        if library.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
            sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != int(parent):  # it died before the kernel was asked
        sys.exit("the parent is gone")
    os.execv(command[0], command)  # noqa: S606 - there is no shell in between


if __name__ == "__main__":
    main()
