"""What pytest loads of us in every project where taskmgr is installed."""

import importlib.metadata
import json
import subprocess
import sys

LOADED = """
import json, sys
import {module}
print(json.dumps(sorted(name for name in sys.modules if name.split(".")[0] in {packages})))
"""
HEAVY = ("taskmgr_core", "taskmgr_plugins", "attrs", "cattrs", "click", "psutil", "celery")


def test_contract_option_costs_nothing_until_it_is_given() -> None:
    """The plugin that pytest loads everywhere imports nothing of the platform."""
    (entry,) = importlib.metadata.entry_points(group="pytest11", name="taskmgr-contract")
    code = LOADED.format(module=entry.value, packages=HEAVY)
    printed = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, check=True)
    assert json.loads(printed.stdout) == [
        "taskmgr_core",
        "taskmgr_core.testing",
        "taskmgr_core.testing.contract",
        "taskmgr_core.testing.contract.pytest_plugin",
    ]
