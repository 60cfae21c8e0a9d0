"""What the processes of ``children.py`` do: one function for each action, lines in and out."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from implementations import Place
from samples import NOW, ready, success

from taskmgr_core.documents import digest_of
from taskmgr_core.models import ModelFiles
from taskmgr_core.orchestrator.engine import decide
from taskmgr_core.specs import StoredFile
from taskmgr_core.stores.s3.bucket import Bucket


def say(line: str) -> None:
    """Say a line that the test reads at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def wait_for(line: str) -> None:
    """Say that everything is prepared, and wait until the test says this."""
    say("ready")
    told = sys.stdin.readline().strip()
    assert told == line, told


def claim_all(place: Place, worker: str) -> None:
    """Claim until nothing is due; say each step."""
    metadata = place.metadata()
    wait_for("go")
    while (claim := metadata.claim(worker, (), NOW)) is not None:
        say(claim.step.id)


def finish_all(place: Place, worker: str) -> None:
    """Claim and finish until nothing is due; say each step once it is recorded."""
    metadata = place.metadata()
    while (claim := metadata.claim(worker, (), NOW)) is not None:
        if metadata.finish(claim, success(claim, worker), decide, NOW).recorded:
            say(claim.step.id)


def put_all(place: Place, count: str) -> None:
    """Store the same contents as everybody else; say the digests."""
    artifacts = place.artifacts()
    wait_for("go")
    for number in range(int(count)):
        say(artifacts.put_bytes(str(number).encode() * 10_000, "number").digest)


def read_all(place: Place, *digests: str) -> None:
    """Read the same contents as everybody else; say their digests."""
    artifacts = place.artifacts()
    wait_for("go")
    for digest in digests:
        say(digest_of(artifacts.read(digest)))


def use_for_long(place: Place) -> None:
    """Begin to use files and never end; say when that was."""
    artifacts = place.artifacts()
    wait_for("go")
    with artifacts.files.using():
        say(repr(time.time()))
        sys.stdin.read()


def place_model(place: Place, name: str, digest: str, size: str) -> None:
    """Have weights placed as everybody else does; say whether they were fetched, and where."""
    download = Bucket.download

    def told(bucket: Bucket, wanted: str, take: Callable[[IO[bytes]], bool]) -> bool | None:
        say("fetched")
        return download(bucket, wanted, take)

    setattr(Bucket, "download", told)  # noqa: B010 - what the type checker would refuse
    models = ModelFiles(Path(place.where.partition(" ")[2]) / "models", place.artifacts())
    wait_for("go")
    say(models.paths([StoredFile(name, digest, int(size))])[name])


def announce(place: Place, run: str, step: str) -> None:
    """When told to, record nothing and announce a step; say when that was."""
    metadata, queue = place.queue()
    wait_for("go")
    say(repr(time.time()))
    queue.announce(run, [ready(run, step)])
    queue.close()
    metadata.close()


def take(place: Place, worker: str) -> None:
    """Wait for a step; say its run and when it came."""
    metadata, queue = place.queue()
    queue.changes()
    say("ready")
    deadline = time.monotonic() + 30
    claim = None
    while claim is None and time.monotonic() < deadline:  # a queue may return to be asked again
        claim = queue.take(worker, (), deadline - time.monotonic())
    say(f"{claim.step.run if claim else None} {time.time()!r}")
    queue.close()
    metadata.close()


if __name__ == "__main__":
    action, kind, where, *words = sys.argv[1:]
    globals()[action](Place(kind, where), *words)
