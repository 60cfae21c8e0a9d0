"""Plugins are found by their entry points, and checked against them."""

from importlib.metadata import PackageNotFoundError

import pytest
from fake_plugins import PluginFolder

from taskmgr_plugins import TaskDefinitionError
from taskmgr_plugins.host import InstalledTask, installed_tasks, load_plugin

TWO_TASKS = """
@task
def first(text: str) -> int:
    return 1

class Second(Task):
    def run(self, text: str) -> int:
        return 2

TASKS = [first, Second]
"""


def test_plugin_gives_its_tasks_by_name(plugins: PluginFolder) -> None:
    """Functions and classes of one plugin are defined under their names."""
    plugin = plugins.write(TWO_TASKS, "first", "second")
    found = load_plugin(plugin.distribution)
    assert sorted(found) == ["first", "second"]
    assert found["second"].name == "second"


def test_plugin_is_listed_without_being_imported(plugins: PluginFolder) -> None:
    """Tasks are listed from metadata alone: a plugin that cannot be imported is listed too."""
    plugin = plugins.write("raise RuntimeError('imported')", "first", "second")
    assert [each for each in installed_tasks() if each.distribution == plugin.distribution] == [
        InstalledTask("first", plugin.distribution, "1.2", plugin.module),
        InstalledTask("second", plugin.distribution, "1.2", plugin.module),
    ]


def test_plugins_with_other_tasks_do_not_meet(plugins: PluginFolder) -> None:
    """Loading one plugin imports no other."""
    plugins.write("raise RuntimeError('imported')", "broken")
    plugin = plugins.write(TWO_TASKS, "first", "second")
    assert sorted(load_plugin(plugin.distribution)) == ["first", "second"]


def test_distribution_that_is_not_installed_is_refused() -> None:
    """An unknown distribution is named."""
    with pytest.raises(PackageNotFoundError, match="no-such-plugin"):
        load_plugin("no-such-plugin")


def test_distribution_without_entry_points_is_told_what_to_add() -> None:
    """A distribution that is no plugin learns what its pyproject.toml lacks."""
    with pytest.raises(TaskDefinitionError, match=r'pluggy announces no task; add .*"taskmgr\.plu'):
        load_plugin("pluggy")


def test_entry_point_without_task_is_refused(plugins: PluginFolder) -> None:
    """A name in the metadata that no task has is named, with the nearest announced one."""
    plugin = plugins.write(TWO_TASKS, "first", "second", "secnd")
    with pytest.raises(
        TaskDefinitionError, match=r"entry point 'secnd' has no task: .* did you mean 'second'\?"
    ):
        load_plugin(plugin.distribution)


def test_task_without_entry_point_is_refused(plugins: PluginFolder) -> None:
    """A task that the metadata does not have is named, with where to add it."""
    plugin = plugins.write(TWO_TASKS, "first")
    with pytest.raises(
        TaskDefinitionError,
        match=r"task 'second' has no entry point; add it to \[project\.entry-points",
    ):
        load_plugin(plugin.distribution)


def test_task_announced_twice_is_refused(plugins: PluginFolder) -> None:
    """Two tasks of one name cannot be told apart."""
    plugin = plugins.write(TWO_TASKS + "TASKS = [first, first]", "first")
    with pytest.raises(TaskDefinitionError, match="the task 'first' is announced twice"):
        load_plugin(plugin.distribution)


def test_plugin_without_tasks_is_refused(plugins: PluginFolder) -> None:
    """A hook that announces nothing is told which entry points wait for it."""
    plugin = plugins.write("TASKS = []", "first")
    with pytest.raises(TaskDefinitionError, match=r"'first' has no task: .* announces none"):
        load_plugin(plugin.distribution)


def test_hook_that_returns_no_list_is_refused(plugins: PluginFolder) -> None:
    """A hook that returns the task itself is told to return a list."""
    plugin = plugins.write(TWO_TASKS, "second", hook="return Second")
    with pytest.raises(TaskDefinitionError, match=r"returned <class .*Second'>; it must return a"):
        load_plugin(plugin.distribution)


def test_hook_that_returns_something_else_is_refused(plugins: PluginFolder) -> None:
    """A thing in the list that is no task is shown."""
    plugin = plugins.write("TASKS = ['first']", "first")
    with pytest.raises(TaskDefinitionError, match="taskmgr_tasks returned 'first'; allowed are"):
        load_plugin(plugin.distribution)


def test_import_error_of_a_plugin_is_its_own(plugins: PluginFolder) -> None:
    """What the plugin's import raises comes out as it is."""
    plugin = plugins.write("import no_such_module_here", "first")
    with pytest.raises(ModuleNotFoundError, match="no_such_module_here"):
        load_plugin(plugin.distribution)
