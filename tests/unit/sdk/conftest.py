"""Converters, fake plugins and runner processes."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_plugins import PluginFolder, Runner

from taskmgr_plugins.converter import ValueConverter


@pytest.fixture
def converter(tmp_path: Path) -> ValueConverter:
    """A converter with a working folder of its own."""
    folder = tmp_path / "values"
    folder.mkdir()
    return ValueConverter(folder)


@pytest.fixture(scope="session")
def shared_converter(tmp_path_factory: pytest.TempPathFactory) -> ValueConverter:
    """One converter for all examples of a property."""
    return ValueConverter(tmp_path_factory.mktemp("values"))


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PluginFolder]:
    """A folder of plugins that this process, and its runners, can import from."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    before = set(sys.modules)
    yield PluginFolder(folder)
    for name in set(sys.modules) - before:
        if name.startswith("fake_plugin_"):
            del sys.modules[name]


@pytest.fixture
def start_runner(plugins: PluginFolder, tmp_path: Path) -> Iterator[Callable[..., Runner]]:
    """Starts the runner of a plugin that is written for the test."""
    started: list[Runner] = []

    def start(source: str, *tasks: str) -> Runner:
        folder = tmp_path / f"runner-{len(started)}"
        folder.mkdir()
        runner = Runner(plugins.write(source, *tasks), folder)
        started.append(runner)
        hello = runner.receive()
        assert hello is not None, runner.end()
        assert hello["kind"] == "hello"
        return runner

    yield start
    for runner in started:
        runner.close()
