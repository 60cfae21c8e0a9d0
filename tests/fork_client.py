"""The program ``taskmgr`` for whoever starts it: has it run by a ``fork_server.py``.

``python -I -S fork_client.py SOCKET PROGRAM VARIABLES [ARGUMENTS]``: the server's socket, the
installed program, and the variables of Python that the server was started with. With others the
installed program is run, because Python reads them only as it starts. Otherwise it has the exit
code of the command, or ends by the signal that ended it, hands on what it is told, and its own
end ends the command.
"""

import json
import os
import signal
import socket
import sys


def main() -> None:
    """Run one command to its end."""
    _, program, variables, *words = sys.argv[1:]
    ours = {name: value for name, value in os.environ.items() if name.startswith("PYTHON")}
    if ours != json.loads(variables):
        os.execv(program, ["taskmgr", *words])  # noqa: S606 - the words are the test's own
    umask = os.umask(0)
    given = {
        "words": words,
        "folder": os.getcwd(),  # noqa: PTH109 - importing pathlib takes longer than all the rest
        "environment": dict(os.environ),
        "umask": umask,
    }
    data = json.dumps(given).encode()
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(sys.argv[1])
        socket.send_fds(server, [len(data).to_bytes(8, "big")], [0, 1, 2])
        server.sendall(data)
        pid = int.from_bytes(server.recv(8), "big")
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda told, _: os.kill(pid, told))
        status = int.from_bytes(server.recv(8), "big")
    if os.WIFSIGNALED(status):
        signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
        os.kill(os.getpid(), os.WTERMSIG(status))
    os._exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
