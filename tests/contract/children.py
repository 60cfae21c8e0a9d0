"""Other processes: what they do is in ``child_main.py``; here they are started and talked to."""

import subprocess
import sys
from pathlib import Path

import attrs
from implementations import Place

SECONDS = 30.0


@attrs.frozen
class Child:
    """A process of its own that says and is told lines."""

    process: subprocess.Popen[str]

    def expect(self, line: str) -> None:
        """Wait until it has said this."""
        said = self.line()
        assert said == line, f"the child said {said!r}\n{self._errors()}"

    def line(self) -> str:
        """The next line that it says."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def tell(self, line: str) -> None:
        """Say a line to it."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def rest(self) -> list[str]:
        """Wait for its end; every line that it still said."""
        said, errors = self._read_all()
        assert self.process.returncode == 0, errors
        return said.splitlines()

    def kill(self) -> list[str]:
        """Kill it where it stands; every whole line that it had said."""
        self.process.kill()
        return self._read_all()[0].splitlines()

    def close(self) -> None:
        """Leave nothing behind, whatever a test found."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(SECONDS)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()

    def _errors(self) -> str:
        self.process.kill()
        return self._read_all()[1]

    def _read_all(self) -> tuple[str, str]:
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        said, errors = self.process.stdout.read(), self.process.stderr.read()
        self.process.wait(SECONDS)
        return said, errors


def start(action: str, place: Place, *words: str) -> Child:
    """Start a process.

    Arguments:
        action: a function of ``child_main.py``.
        place: what it works on.
        words: further arguments.
    """
    main = Path(__file__).with_name("child_main.py")
    process = subprocess.Popen(
        [sys.executable, main, action, place.kind, place.where, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    return Child(process)
