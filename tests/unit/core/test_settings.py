"""Settings: one table, checked values, and where each of them comes from."""

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import platformdirs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskmgr_core.errors import SettingsError
from taskmgr_core.settings import Settings, Source, explain, load

NUMBERS = [each.name for each in attrs.fields(Settings) if isinstance(each.default, int | float)]
SMALLEST = {
    "history_days": 0.0,
    "slots": 0,
    "threads": 0,
    "warm_runners": 0,
    "heartbeat": 0.05,
    "lost_after": 0.1,
    "lost_attempts": 1,
    "retry_delay": 0.0,
    "inline_bytes": 256,
    "log_bytes": 0,
    "image_megapixels": 1,
    "open_files": 0,
    "file_mb": 0,
    "processes": 0,
    "environments_mb": 0,
    "models_mb": 0,
    "cache_mb": 0,
    "cache_days": 0.0,
    "hook_seconds": 0.1,
    "hook_queue": 1,
    "slow_step": 0.0,
    "log_file_mb": 1,
    "log_files": 0,
    "rate_limit": 0,
}

Configure = Callable[[str], Path]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A project's ``.taskmgr``."""
    folder = tmp_path / "project" / ".taskmgr"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def configure(home: Path) -> Configure:
    """Writes the configuration file."""

    def write(text: str) -> Path:
        (home / "config.toml").write_text(text)
        return home / "config.toml"

    return write


def found(name: str, home: Path, environ: dict[str, str] | None = None) -> Source:
    """One setting, explained."""
    (source,) = (each for each in explain(environ or {}, home, home) if each.name == name)
    return source


# the table


@pytest.mark.parametrize("field", attrs.fields(Settings), ids=lambda field: field.name)
def test_setting_says_what_it_is_for(field: "attrs.Attribute[Any]", home: Path) -> None:
    """Every setting has a sentence of help, which ``explain`` tells with its variable."""
    assert field.metadata["help"].endswith(".")
    source = found(field.name, home)
    assert source.help == field.metadata["help"]
    assert source.variable == f"TASKMGR_{field.name.upper()}"


def test_explain_tells_every_setting_as_loaded(home: Path, configure: Configure) -> None:
    """``explain`` lists each setting once, in the table's order, with the value in force."""
    configure("slots = 3")
    environ = {"TASKMGR_RETRY_DELAY": "0.5"}
    listed = explain(environ, home, home)
    assert [each.name for each in listed] == [each.name for each in attrs.fields(Settings)]
    loaded = load(environ, home, home)
    assert {each.name: each.value for each in listed} == attrs.asdict(loaded, recurse=False)


def test_defaults_hold_without_anything(home: Path) -> None:
    """With no file and no variable every setting has the table's default."""
    assert load({}, home, home) == Settings(home=home)
    assert {each.origin for each in explain({}, home, home)[1:]} == {"default"}


# where a value comes from


@pytest.mark.parametrize("name", NUMBERS)
def test_environment_goes_before_the_file(home: Path, configure: Configure, name: str) -> None:
    """A variable wins over the file, the file over the default, and the origin says which."""
    default = getattr(Settings(), name)
    file, variable = type(default)(default + 7), type(default)(default + 9)
    assert found(name, home).value == default
    path = configure(
        f"{name} = {file}\nlost_after = 99" if name == "heartbeat" else f"{name} = {file}"
    )
    source = found(name, home)
    assert (source.value, source.origin) == (file, str(path))
    # Both that must fit each other, so that only the one looked at differs.
    environ = {f"TASKMGR_{name.upper()}": str(variable), "TASKMGR_LOST_AFTER": "99"}
    environ[f"TASKMGR_{name.upper()}"] = str(variable)
    source = found(name, home, environ)
    assert (source.value, source.origin) == (variable, "environment")
    assert type(source.value) is type(default)


def test_empty_variable_counts_as_unset(home: Path, configure: Configure) -> None:
    """A variable without content changes nothing."""
    configure("slots = 3")
    assert load({"TASKMGR_SLOTS": "", "TASKMGR_HOME": ""}, home, home).slots == 3


def test_whole_number_serves_as_seconds(home: Path, configure: Configure) -> None:
    """A time may be written without a decimal point."""
    configure("heartbeat = 1\nlost_after = 5")
    loaded = load({}, home, home)
    assert (loaded.heartbeat, type(loaded.heartbeat)) == (1.0, float)


def test_settings_read_no_environment_of_their_own(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what is handed over counts, not the process's own environment."""
    monkeypatch.setenv("TASKMGR_SLOTS", "7")
    monkeypatch.setenv("TASKMGR_HOME", "/elsewhere")
    assert load({}, home, home) == Settings(home=home)


# wrong values


@pytest.mark.parametrize(("name", "smallest"), SMALLEST.items())
def test_too_small_value_is_refused(
    home: Path, configure: Configure, name: str, smallest: float
) -> None:
    """A value under the minimum is refused with its place and the minimum; the minimum is not."""
    below = smallest - 1 if isinstance(smallest, int) else smallest - 0.01
    with pytest.raises(SettingsError) as refused:
        load({f"TASKMGR_{name.upper()}": str(below)}, home, home)
    wanted = {"image_megapixels": "1 to 178"}.get(name, f"at least {smallest:g}")
    assert str(refused.value) == (
        f"TASKMGR_{name.upper()}: {below!r} is not allowed; it must be {wanted}"
    )
    path = configure(f"{name} = {below}")
    with pytest.raises(SettingsError) as refused:
        load({}, home, home)
    assert str(refused.value).startswith(f"{path}: {name}: {below!r} is not allowed; it must be")
    configure("")
    together = {"TASKMGR_HEARTBEAT": "0.05"} if name == "lost_after" else {}
    assert getattr(
        load({f"TASKMGR_{name.upper()}": str(smallest), **together}, home, home), name
    ) == (smallest)


def test_too_large_picture_limit_is_refused(home: Path) -> None:
    """More pixels than can be decoded at all cannot be allowed."""
    assert load({"TASKMGR_IMAGE_MEGAPIXELS": "178"}, home, home).image_megapixels == 178
    with pytest.raises(SettingsError, match="179 is not allowed; it must be 1 to 178"):
        load({"TASKMGR_IMAGE_MEGAPIXELS": "179"}, home, home)


def test_minimum_is_tested_of_every_number() -> None:
    """A setting that is added gets its minimum tested, too."""
    assert list(SMALLEST) == NUMBERS


@pytest.mark.parametrize("text", ["many", "1.5", "0x10", "1e3", "4 slots", "\u22121"])
def test_variable_that_is_no_whole_number_is_refused(home: Path, text: str) -> None:
    """A text where a whole number is wanted is refused with the variable's name."""
    with pytest.raises(SettingsError) as refused:
        load({"TASKMGR_SLOTS": text}, home, home)
    assert str(refused.value) == f"TASKMGR_SLOTS: {text!r} is not a whole number"


def test_variable_that_is_no_number_is_refused(home: Path) -> None:
    """A text where a time is wanted is refused with the variable's name."""
    with pytest.raises(SettingsError, match=r"TASKMGR_HEARTBEAT: '2s' is not a number$"):
        load({"TASKMGR_HEARTBEAT": "2s"}, home, home)


@pytest.mark.parametrize("name", ["heartbeat", "lost_after", "retry_delay"])
@pytest.mark.parametrize("number", ["nan", "inf", "-inf"])
def test_time_that_is_not_finite_is_refused(
    home: Path, configure: Configure, name: str, number: str
) -> None:
    """Neither a variable nor the file can make a time infinite or no number at all."""
    variable = f"TASKMGR_{name.upper()}"
    with pytest.raises(SettingsError, match=f"{variable}: .* is not allowed"):
        load({variable: number}, home, home)
    configure(f"{name} = {number}")
    with pytest.raises(SettingsError, match=rf"config.toml: {name}: .* is not allowed"):
        load({}, home, home)


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("slots = 1.5", "1.5 is not a whole number"),
        ('slots = "4"', "'4' is not a whole number"),
        ("slots = true", "True is not a whole number"),
        ("slots = [4]", r"[4] is not a whole number"),
        ("heartbeat = true", "True is not a number"),
        ('heartbeat = "2"', "'2' is not a number"),
        ("retry_delay = 2026-11-22", "datetime.date(2026, 11, 22) is not a number"),
    ],
)
def test_value_of_another_type_in_the_file_is_refused(
    home: Path, configure: Configure, line: str, wrong: str
) -> None:
    """A value of the wrong type is refused with the file, the key, the value and the type."""
    path = configure(line)
    with pytest.raises(SettingsError) as refused:
        load({}, home, home)
    assert str(refused.value) == f"{path}: {line.split(' = ')[0]}: {wrong}"


def test_unknown_key_names_the_nearest(home: Path, configure: Configure) -> None:
    """A key that is no setting is refused with the one that was probably meant."""
    path = configure("heart_beat = 1")
    with pytest.raises(SettingsError) as refused:
        load({}, home, home)
    expected = f"{path}: unknown setting 'heart_beat'; did you mean 'heartbeat'?"
    assert str(refused.value) == expected


def test_home_cannot_stand_in_its_own_file(home: Path, configure: Configure) -> None:
    """The file lies in the home folder, so it cannot say where that is."""
    configure('home = "/elsewhere"')
    with pytest.raises(SettingsError, match="unknown setting 'home'"):
        load({}, home, home)


@pytest.mark.parametrize("content", [b"slots = ", b"= 3", b"slots: 3", b"\xff\xfe"])
def test_file_that_is_not_toml_is_refused(home: Path, content: bytes) -> None:
    """A file that cannot be parsed is named."""
    (home / "config.toml").write_bytes(content)
    with pytest.raises(SettingsError, match=rf"{home / 'config.toml'}: not TOML: "):
        load({}, home, home)


def test_file_that_cannot_be_read_is_refused(home: Path) -> None:
    """A folder in place of the file is named, with the cause."""
    (home / "config.toml").mkdir()
    with pytest.raises(SettingsError, match=r"config\.toml cannot be read: Is a directory"):
        load({}, home, home)


@given(beat=st.floats(0.05, 1000), after=st.floats(0.1, 1000))
def test_lost_after_fits_the_heartbeat(beat: float, after: float) -> None:
    """A worker counts as lost after two beats at the earliest; the message has both times."""
    environ = {"TASKMGR_HEARTBEAT": repr(beat), "TASKMGR_LOST_AFTER": repr(after)}
    folder = Path(os.sep) / "nowhere"
    if after >= 2 * beat:
        assert math.isclose(load(environ, folder, folder).lost_after, after)
        return
    with pytest.raises(SettingsError, match=r"lost_after is .* s and heartbeat .* s: .*twice"):
        load(environ, folder, folder)


# the home folder


def test_home_is_the_nearest_folder_above(home: Path) -> None:
    """The nearest ``.taskmgr`` in this folder or one above it is home."""
    below = home.parent / "deep" / "deeper"
    below.mkdir(parents=True)
    for working in (home.parent, below):
        source = explain({}, working)[0]
        assert (source.value, source.origin) == (home, "default")
    nearer = below.parent / ".taskmgr"
    nearer.mkdir()
    assert load({}, below).home == nearer


def test_file_named_like_the_home_is_passed_over(home: Path) -> None:
    """Only a folder is a home."""
    below = home.parent / "deep"
    below.mkdir()
    (below / ".taskmgr").write_text("")
    assert load({}, below).home == home


def test_home_is_the_user_s_data_folder_otherwise(tmp_path: Path) -> None:
    """With no ``.taskmgr`` anywhere above, home is the user's."""
    if any((each / ".taskmgr").is_dir() for each in (tmp_path, *tmp_path.parents)):
        pytest.skip("there is a .taskmgr above the temporary folder")
    assert load({}, tmp_path).home == Path(platformdirs.user_data_dir("taskmgr", appauthor=False))


def test_home_of_the_command_line_goes_first(home: Path, tmp_path: Path) -> None:
    """A home that is handed over wins over the variable, the variable over the nearest folder."""
    environ = {"TASKMGR_HOME": str(tmp_path / "by-variable")}
    source = explain(environ, home.parent)[0]
    assert (source.value, source.origin) == (tmp_path / "by-variable", "environment")
    source = explain(environ, home.parent, tmp_path / "given")[0]
    assert (source.value, source.origin) == (tmp_path / "given", "command line")


def test_relative_home_starts_from_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative variable is taken from the working folder; ``~`` is the user's own."""
    assert load({"TASKMGR_HOME": "data"}, tmp_path).home == tmp_path / "data"
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    assert load({"TASKMGR_HOME": "~/data"}, tmp_path).home == tmp_path / "me" / "data"


def test_home_of_an_unknown_user_is_refused(tmp_path: Path) -> None:
    """A ``~name`` that is nobody is refused with the variable's name."""
    with pytest.raises(SettingsError, match=r"TASKMGR_HOME: '~nobody-here/x'"):
        load({"TASKMGR_HOME": "~nobody-here/x"}, tmp_path)


def test_file_is_read_from_the_home_in_force(home: Path, tmp_path: Path) -> None:
    """The configuration file is that of the home folder, wherever that was named."""
    (home / "config.toml").write_text("slots = 3")
    assert load({"TASKMGR_HOME": str(home)}, tmp_path).slots == 3
    assert load({}, home.parent).slots == 3
    assert load({}, home.parent, tmp_path).slots == 0


# what follows from settings


def test_slots_default_to_the_cores() -> None:
    """Zero slots means as many as there are cores."""
    assert Settings(slots=3).slots_or_cores == 3
    assert Settings(slots=0).slots_or_cores == os.cpu_count()


def test_database_lies_at_home(home: Path) -> None:
    """The metadata database is a file of the home folder."""
    assert Settings(home=home).database.parent == home
