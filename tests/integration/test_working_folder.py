"""The working folder of a task."""

from __future__ import annotations

from pathlib import Path

from plugin_projects import write_plugin

from taskmgr_core.client import Client

CODE = '''
from pathlib import Path
from taskmgr_plugins import hookimpl, task

@task
def litter(fails: bool) -> int:
    """Count what lies in the folder, then leave a file there."""
    found = len(list(Path.cwd().iterdir()))
    Path("left").touch()
    if fails:
        raise ValueError("on purpose")
    return found

@hookimpl
def taskmgr_tasks():
    return [litter]
'''


def test_working_folder_is_empty_after_a_call_that_failed(client: Client, tmp_path: Path) -> None:
    """The next call in the same process finds nothing of one that raised."""
    client.publish(write_plugin(tmp_path, name="litter-plugin", task="litter", code=CODE))
    assert client.run("litter", {"fails": True}).run.status == "failed"
    assert client.run("litter", {"fails": False}).result == {"result": 0}
