"""The names and templates of new plugin projects."""

from __future__ import annotations

import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from taskmgr_core.cli.application import run
from taskmgr_core.cli.paths import quoted
from taskmgr_core.errors import ConflictError, InvalidValueError, NotFoundError
from taskmgr_core.scaffold import TEMPLATES, create_project
from taskmgr_core.scaffold.projects import check_name

LONGEST = "a" * 30


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Word-Count", "perhaps 'word_count'"),
        ("wordCount", "perhaps 'word_count'"),
        ("9lives", "perhaps 'lives'"),
        ("äö", "allowed are lower-case letters"),
        ("", "allowed are lower-case letters"),
        ("a/b", "perhaps 'a_b'"),
        ("x_", "single _ between them, a letter first; perhaps 'x'"),
        ("a__b", "perhaps 'a_b'"),
        ("_a", "perhaps 'a'"),
        ("a-b", "perhaps 'a_b'"),
        ("größe", "perhaps 'gr_e'"),
        ("class", "means something in Python"),
        ("match", "means something in Python"),
        ("list", "means something in Python"),
        ("json", "a module of Python's standard library"),
        ("statistics", "perhaps 'my_statistics'"),
        ("attrs", "a module of its dependencies"),
        ("numpy", "a module of its dependencies"),
        ("task", "used by taskmgr itself"),
        ("plugins", "used by taskmgr itself"),
        ("a" * 31, "too long"),
    ],
)
def test_name_that_no_task_can_have_is_refused(name: str, message: str) -> None:
    """The message says what is allowed, or a name that would do."""
    with pytest.raises(InvalidValueError, match=message):
        check_name(name)


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("name", ["a", "a1", "a_1", "word_count", "word2", LONGEST])
def test_distribution_and_package_have_one_name(name: str, template: str, tmp_path: Path) -> None:
    """The normalized name of the distribution is the package's, as build backends want it."""
    folder = create_project(name, template, "Ada", tmp_path, 2024).folder
    metadata = tomllib.loads((folder / "pyproject.toml").read_text())
    (package,) = (each.name for each in (folder / "src").iterdir())
    assert canonicalize_name(metadata["project"]["name"]) == metadata["project"]["name"]
    assert metadata["project"]["name"].replace("-", "_") == package


@pytest.mark.parametrize("template", TEMPLATES)
def test_project_has_what_a_plugin_needs(template: str, tmp_path: Path) -> None:
    """Metadata with the author, an entry point for each task, a licence, a README and tests."""
    project = create_project(LONGEST, template, 'Ada "Countess" Lovelace', tmp_path, 1843)
    folder = project.folder
    metadata = tomllib.loads((folder / "pyproject.toml").read_text())
    assert metadata["project"]["authors"] == [{"name": 'Ada "Countess" Lovelace'}]
    assert list(metadata["project"]["entry-points"]["taskmgr.plugins"]) == list(project.tasks)
    assert 'Copyright (c) 1843 Ada "Countess" Lovelace' in (folder / "LICENSE").read_text()
    assert (folder / "README.md").is_file()
    assert (folder / ".gitignore").is_file()
    assert list((folder / "tests").glob("test_*.py"))
    assert not [path for path in project.files if "__name__" in str(path) or "$" in str(path)]


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("name", ["a", LONGEST])
def test_project_is_in_order_however_long_its_name_is(
    name: str, template: str, tmp_path: Path
) -> None:
    """No line is too long with the longest name, and none is broken in vain with the shortest."""
    folder = create_project(name, template, "Ada", tmp_path, 2024).folder
    for words in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *words, "--no-cache"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout


def test_existing_folder_is_left_alone(tmp_path: Path) -> None:
    """A folder that is there already is refused, and nothing is written into it."""
    (tmp_path / "mine").mkdir()
    with pytest.raises(ConflictError, match="is there already"):
        create_project("mine", "simple", "Ada", tmp_path, 2024)
    assert list((tmp_path / "mine").iterdir()) == []


def test_unknown_template_is_told_the_others(tmp_path: Path) -> None:
    """The nearest template is named."""
    with pytest.raises(NotFoundError, match="did you mean 'pipeline'"):
        create_project("mine", "pipelin", "Ada", tmp_path, 2024)


@pytest.mark.parametrize("author", ["", "  ", "Ada\nLovelace"])
def test_author_must_be_a_name(author: str, tmp_path: Path) -> None:
    """An empty author, or one of several lines, is refused."""
    with pytest.raises(InvalidValueError, match="is no author"):
        create_project("mine", "simple", author, tmp_path, 2024)


def test_commands_to_copy_are_quoted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder with a space or a quote in it is one word of each command."""
    parent = tmp_path / "my plugins' folder"
    words = ["--home", str(tmp_path / "home"), "create", "greet", "--author", "Ada"]
    assert run([*words, "--template", "pipeline", "--path", str(parent)]) == 0
    told = capsys.readouterr().out.partition("next:")[2].strip().splitlines()
    cd, test, dev, publish, _ = (shlex.split(line) for line in told)
    assert cd[:2] == ["cd", str(parent / "greet")]
    assert test[:3] == ["taskmgr", "test", f"{parent / 'greet'}/"]
    assert dev[2:5] == [str(parent / "greet"), "--task", "greet_split"]
    assert publish[2:] == [str(parent / "greet"), str(parent / "greet" / "greet.json")]


@pytest.mark.parametrize(
    ("path", "typed"),
    [
        (Path("a/b.png"), "a/b.png"),
        (Path("a b.png"), "'a b.png'"),
        (Path("-a.png"), "./-a.png"),
        (Path("$HOME"), "'$HOME'"),
    ],
)
def test_path_is_typed_as_one_word(path: Path, typed: str) -> None:
    """What a shell would take for more than a name is quoted; no path looks like an option."""
    assert quoted(path) == typed


def test_create_tells_what_to_do_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command lists the files and the commands that come next."""
    words = ["--home", str(tmp_path / "home"), "create", "greet", "--author", "Ada"]
    assert run([*words, "--path", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert "src/taskmgr_greet/tasks.py" in told
    assert f"taskmgr publish {tmp_path / 'greet'}" in told
    assert not (tmp_path / "home").exists()
