"""Publishing that ends in the middle: nothing of it is seen, and the next one works."""

import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from plugin_projects import Desk, open_desk, write_plugin

STAGES = ("locking", "building the virtualenv", "registering")
# Publishes, and is killed where a stage begins, or is left waiting there.
PUBLISH = """
    import os, signal, sys, time
    from pathlib import Path
    sys.path.insert(0, sys.argv[1])
    from plugin_projects import open_desk
    desk = open_desk(Path(sys.argv[2]))

    def on_progress(line):
        print(line, flush=True)
        if line.startswith(sys.argv[4]):
            os.kill(os.getpid(), signal.SIGKILL)

    desk.publisher.publish(Path(sys.argv[3]), on_progress)
"""


def killed(home: Path, plugin: Path, stage: str) -> None:
    """Publish in another process, killed where a stage begins."""
    script = textwrap.dedent(PUBLISH)
    arguments = [str(Path(__file__).parent), str(home), str(plugin), stage]
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.parametrize("stage", STAGES)
def test_publish_that_is_killed_leaves_nothing_to_be_seen(tmp_path: Path, stage: str) -> None:
    """Killed at any stage, the task is not there; published again it is, and nothing is left."""
    home, plugin = tmp_path / "home", write_plugin(tmp_path / "tiny")
    killed(home, plugin, stage)
    desk: Desk = open_desk(home)
    assert desk.metadata.latest_versions() == []
    published = desk.publisher.publish(plugin)
    assert published.changed
    assert desk.metadata.version("shout") == published.versions[0]
    assert [each.name for each in (home / "publishing").iterdir() if each.is_dir()] == []
    assert desk.environments.ensure(published.release).intact()
    desk.metadata.close()


def test_publish_that_is_killed_keeps_the_version_before(tmp_path: Path) -> None:
    """A new version whose publishing ends in the middle leaves the one that is there as it was."""
    home, plugin = tmp_path / "home", write_plugin(tmp_path / "tiny")
    desk = open_desk(home)
    first = desk.publisher.publish(plugin)
    shutil.rmtree(tmp_path / "tiny")
    killed(home, write_plugin(tmp_path / "tiny", version="1.1.0"), "registering")
    assert desk.metadata.versions("shout") == list(first.versions)
    desk.metadata.close()
