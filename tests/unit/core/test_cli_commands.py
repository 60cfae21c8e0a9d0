"""The command line as a whole: help, lazy loading, completion, errors."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from taskmgr_core.cli.application import COMMANDS, run, taskmgr
from taskmgr_core.cli.groups import Entry
from taskmgr_core.cli.importing import importing
from taskmgr_core.cli.reference import reference

ROOT = Path(__file__).parents[3]


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command that is no group, by the words that call it."""
    context = click.Context(taskmgr, info_name="taskmgr")
    for name in taskmgr.list_commands(context):
        command = taskmgr.get_command(context, name)
        if isinstance(command, click.Group):
            for inner, each in command.commands.items():
                yield f"{name} {inner}", each
        elif command is not None:
            yield name, command


@pytest.mark.parametrize("words", [words for words, _ in commands()])
def test_help_of_every_command_has_an_example(
    words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The help of each command ends with an example that begins with that very command."""
    assert run([*words.split(), "--help"]) == 0
    told = capsys.readouterr().out
    assert "Example" in told
    example = told.partition("Example")[2].splitlines()[1].strip()
    assert f"taskmgr {words}" in example


@pytest.mark.parametrize("entry", COMMANDS, ids=lambda each: each.name)
def test_line_in_the_help_is_the_commands_own(entry: Entry) -> None:
    """The table from which the help is made without imports says what the command says."""
    command = entry.load()
    assert command.name == entry.name
    assert command.get_short_help_str(200) == entry.help


def test_every_parameter_has_a_meaning() -> None:
    """No argument and no option of any command is left unexplained."""
    silent = [
        f"{words} {parameter.name}"
        for words, command in commands()
        for parameter in command.params
        if not getattr(parameter, "help", None)
    ]
    assert silent == []


def test_reference_is_current() -> None:
    """docs/reference/cli.md is what the commands say now."""
    written = (ROOT / "docs" / "reference" / "cli.md").read_text()
    assert written == reference(), (
        "run: python -m taskmgr_core.cli.reference > docs/reference/cli.md"
    )


def test_help_imports_nothing_heavy() -> None:
    """The help needs click alone: no rich, no store, no converter is loaded for it."""
    program = (
        "import sys; from taskmgr_core.cli.application import run; run(['--help']); "
        "heavy = {'rich', 'cattrs', 'jsonschema_rs', 'sqlite3', 'yaml', 'PIL', 'numpy', 'psutil'}; "
        "print('LOADED', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "LOADED []"


def test_submission_imports_only_what_it_needs() -> None:
    """Until a run is submitted no virtualenv, no screen and no YAML parser is loaded for it."""
    program = (
        "import sys, taskmgr_core.cli.commands.run, taskmgr_core.wiring; "
        "late = {'rich', 'yaml', 'psutil', 'filelock', 'taskmgr_core.uv', 'taskmgr_core.tracing'}; "
        "print('LOADED', sorted(late & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "LOADED []"


def test_imports_are_made_without_a_search_for_garbage(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """While a command is imported Python searches nothing; what is there stays out of searches."""
    before = gc.get_freeze_count()
    with importing():
        assert not gc.isenabled()
        with importing():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() > before
    assert run(["--version"]) == 0  # and whoever goes on after a command has them back
    assert gc.get_freeze_count() == 0


def test_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """--version prints one line and ends well."""
    assert run(["--version"]) == 0
    name, version = capsys.readouterr().out.split()
    assert name == "taskmgr"
    assert version[0].isdigit()


def test_wrong_command_is_told_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    """A mistyped command is usage, exit code 2, with what was probably meant."""
    assert run(["lineag"]) == 2
    assert "lineage" in capsys.readouterr().err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script_is_printed(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The script of each shell asks taskmgr itself for completions."""
    assert run(["completion", shell]) == 0
    assert "_TASKMGR_COMPLETE" in capsys.readouterr().out


def test_expected_error_has_no_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a user can put right is told in one line on stderr, and stdout stays empty."""
    assert run(["--home", str(tmp_path), "show", "nothing"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("error: no run 'nothing'")
    assert "Traceback" not in told.err


def test_debug_shows_the_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --debug even an expected error comes with its traceback."""
    assert run(["--debug", "--home", str(tmp_path), "show", "nothing"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_bug_leaves_its_traceback_in_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unexpected exception is apologised for; its traceback is in a file that is named."""

    def broken(*_: object) -> None:
        raise RuntimeError("what nobody thought of")

    monkeypatch.setattr("taskmgr_core.cli.commands.config.explain", broken)
    assert run(["--home", str(tmp_path), "config"]) == 3
    told = capsys.readouterr().err
    assert "this is a bug in taskmgr, sorry: RuntimeError: what nobody thought of" in told
    assert "Traceback" not in told
    (log,) = (tmp_path / "logs").iterdir()
    assert str(log) in told
    assert "what nobody thought of" in log.read_text()


def test_damaged_store_is_the_platforms_trouble(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A database that is none has exit code 3: it is not the user's input that is wrong."""
    (tmp_path / "metadata.sqlite3").write_bytes(b"no database" * 1000)
    assert run(["--home", str(tmp_path), "runs"]) == 3
    assert "damaged" in capsys.readouterr().err


def test_wrong_setting_is_bad_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A setting that cannot be read has exit code 2 and names its variable."""
    monkeypatch.setenv("TASKMGR_SLOTS", "many")
    assert run(["--home", str(tmp_path), "runs"]) == 2
    assert "TASKMGR_SLOTS: 'many'" in capsys.readouterr().err


def test_config_tells_where_a_value_comes_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Environment, file and default are told apart, each with its variable."""
    monkeypatch.setenv("TASKMGR_SLOTS", "3")
    (tmp_path / "config.toml").write_text("warm_runners = 4\n")
    assert run(["--home", str(tmp_path), "config", "--json"]) == 0
    settings = {each["name"]: each for each in json.loads(capsys.readouterr().out)["settings"]}
    assert (settings["slots"]["value"], settings["slots"]["origin"]) == (3, "environment")
    assert settings["warm_runners"]["origin"] == str(tmp_path / "config.toml")
    assert settings["heartbeat"]["origin"] == "default"
    assert settings["home"]["origin"] == "command line"


def test_init_makes_a_home_that_is_found_from_below(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """After `init` the commands in a folder below use that home; a second time changes nothing."""
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert run(["init", str(tmp_path)]) == 0
    monkeypatch.chdir(below)
    capsys.readouterr()
    assert run(["config", "--json"]) == 0
    found = {each["name"]: each for each in json.loads(capsys.readouterr().out)["settings"]}
    assert found["home"]["value"] == str(tmp_path / ".taskmgr")
    assert run(["init", str(tmp_path)]) == 0
    assert "is there already" in capsys.readouterr().out


def test_home_is_kept_out_of_version_control(tmp_path: Path) -> None:
    """`init` writes a .gitignore into the home that covers all of it."""
    run(["init", str(tmp_path)])
    assert (tmp_path / ".taskmgr" / ".gitignore").read_text().splitlines()[-1] == "*"


def test_completing_makes_no_home(tmp_path: Path) -> None:
    """Pressing Tab where nothing is kept completes commands, and leaves no folder behind."""
    home = tmp_path / "home"
    environment = {
        **os.environ,
        "_TASKMGR_COMPLETE": "bash_complete",
        "COMP_WORDS": f"taskmgr --home {home} show ",
        "COMP_CWORD": "4",
    }
    done = subprocess.run(
        [Path(sys.executable).with_name("taskmgr")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == ""
    assert done.stderr == ""
    assert not home.exists()


def test_broken_pipe_is_no_bug(tmp_path: Path) -> None:
    """A reader that leaves early, as `head` does, makes no traceback and no apology."""
    program = Path(sys.executable).with_name("taskmgr")
    with subprocess.Popen(
        [program, "--home", str(tmp_path), "config"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        told = process.stderr.read()
    assert "Traceback" not in told
    assert "bug" not in told
