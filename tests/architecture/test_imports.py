"""What importing the packages costs and does."""

import ast
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sources import PACKAGES, package_sources

HEAVY = {
    *("numpy", "cv2", "PIL", "celery", "redis", "pymongo", "minio", "textual", "pytest"),
    *("asyncio", "multiprocessing", "sqlite3", "http", "cryptography", "taskmgr_core"),
}
SDK_NEEDS = {"attrs", "cattrs", "pluggy", "taskmgr_plugins"}


def in_new_process(code: str) -> Any:
    """Run code in a Python of its own; what it leaves in ``answer``."""
    result = subprocess.run(
        [sys.executable, "-I", "-c", f"{code}\nimport json; print(json.dumps(answer))"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.parametrize("module", ["taskmgr_plugins", "taskmgr_plugins.__main__"])
def test_sdk_loads_nothing_heavy(
    module: str, record_property: Callable[[str, object], None]
) -> None:
    """Neither the SDK nor the runner loads a library that the plugin itself does not ask for."""
    loaded, seconds = in_new_process(
        "import sys, time\n"
        "started = time.perf_counter()\n"
        f"import {module}\n"
        "answer = [sorted(sys.modules), time.perf_counter() - started]"
    )
    record_property("import_seconds", seconds)
    print(f"import {module}: {seconds * 1000:.0f} ms, {len(loaded)} modules")  # shown by pytest -rP
    assert {name.split(".")[0] for name in loaded} & HEAVY == set()


def test_author_imports_load_no_converter() -> None:
    """What a task's module imports leaves cattrs to the runner."""
    assert "cattrs" not in in_new_process(
        "import sys, taskmgr_plugins\nanswer = sorted(sys.modules)"
    )


def test_web_framework_is_loaded_by_who_serves_only() -> None:
    """Neither the platform nor the commands of index and API load it before they serve."""
    loaded = in_new_process(
        "import sys, taskmgr_core.wiring, taskmgr_core.remote\n"
        "import taskmgr_core.cli.commands.index, taskmgr_core.cli.commands.api\n"
        "answer = sorted(sys.modules)"
    )
    assert {name.split(".")[0] for name in loaded} & {"litestar", "uvicorn", "httpx"} == set()


def test_textual_is_loaded_by_the_open_dashboard_only() -> None:
    """Neither the command that opens it nor the package itself loads it before that."""
    loaded = in_new_process(
        "import sys, taskmgr_core.cli.commands.top, taskmgr_core.wiring\n"
        "answer = [sorted(sys.modules)]\n"
        "import taskmgr_tui\n"
        "answer.append(sorted(sys.modules))"
    )
    assert "taskmgr_tui" not in loaded[0]
    assert {"textual", "aiohttp", "textual_serve"} & set(loaded[1]) == set()


def test_web_server_is_loaded_by_the_served_dashboard_only() -> None:
    """A dashboard in a terminal needs neither aiohttp nor textual-serve."""
    loaded = in_new_process("import sys, taskmgr_tui.app\nanswer = sorted(sys.modules)")
    assert "textual" in loaded
    assert {"aiohttp", "textual_serve"} & set(loaded) == set()


def imported_at_once(tree: ast.Module) -> Iterator[str]:
    """The packages that a module imports when it is imported itself."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (each.name.split(".")[0] for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").split(".")[0]
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            waiting += list(ast.iter_child_nodes(node))


def test_sdk_needs_its_three_dependencies_only() -> None:
    """Every module of the SDK can be imported with attrs, cattrs and pluggy alone."""
    needed = {
        (source.path.name, name)
        for source in package_sources()
        if "taskmgr_plugins" in source.path.parts
        for name in imported_at_once(source.tree)
        if name not in sys.stdlib_module_names and name not in SDK_NEEDS
    }
    # pytest itself loads the plugin, and with it the hooks.
    assert needed <= {("pytest_plugin.py", "pytest"), ("hooks.py", "pytest")}


@pytest.mark.parametrize("package", PACKAGES)
def test_import_does_nothing(package: str) -> None:
    """Importing every module starts no thread, opens no file and changes no environment."""
    before, after = in_new_process(
        "import importlib, os, pkgutil, sys, threading\n"
        "def state():\n"
        "    descriptors = sorted(os.listdir('/proc/self/fd')) if sys.platform == 'linux' else []\n"
        "    return [descriptors, threading.active_count(), dict(os.environ), os.getcwd()]\n"
        "before = state()\n"
        f"package = importlib.import_module({package!r})\n"
        f"for each in pkgutil.walk_packages(package.__path__, {package + '.'!r}):\n"
        "    if not each.name.endswith('pytest_plugin'):\n"
        "        importlib.import_module(each.name)\n"
        "answer = [before, state()]"
    )
    assert after == before
