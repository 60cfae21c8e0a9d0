"""What an author claims in ``[tool.taskmgr.contract]``, and how growth is told from noise."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskmgr_core.errors import PublishError
from taskmgr_core.testing.contract.project import SAMPLES, Claims, find_project, read_project
from taskmgr_core.testing.contract.slopes import slope

PROJECT = """
[project]
name = "shout"
version = "1.0.0"

[project.entry-points."taskmgr.plugins"]
shout = "shout"
whisper = "shout"
"""


def write(folder: Path, text: str) -> Path:
    (folder / "pyproject.toml").write_text(f"{PROJECT}\n{text}\n")
    return folder


def test_claims_without_a_table_are_the_defaults(tmp_path: Path) -> None:
    """Every task of a project that claims nothing has the defaults."""
    found = read_project(write(tmp_path, ""))
    assert found.claims == {"shout": Claims(), "whisper": Claims()}
    assert found.samples == tmp_path / SAMPLES


def test_claims_of_one_task_go_before_those_of_all(tmp_path: Path) -> None:
    """What is said of one task holds for it, all else is as said of all."""
    text = (
        '[tool.taskmgr.contract]\nload_seconds = 3\nsamples = "data"\n'
        "tasks.shout = { load_seconds = 0.5, deterministic = true }"
    )
    found = read_project(write(tmp_path, text))
    assert found.claims["shout"] == Claims(load_seconds=0.5, deterministic=True)
    assert found.claims["whisper"] == Claims(load_seconds=3)
    assert found.samples == tmp_path / "data"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("load_second = 3", "has 'load_second'; did you mean 'load_seconds'"),
        ("runs = 3", "runs is 3; it must be at least 40"),
        ("runs = 50.5", "runs is 50.5; it must be a whole number of at least 40"),
        ("runs = true", "runs is True; it must be a whole number"),
        ("load_seconds = inf", "load_seconds is inf; it must be at least 0.01"),
        ("deterministic = 1", "deterministic is 1; it must be true or false"),
        ("samples = 3", "samples is 3; it must be a folder"),
        ("tasks.shot = {}", "tasks.shot]: there is no such task; did you mean 'shout'"),
        ("tasks.shout = { samples = 'a' }", "those of shout are shout.json there"),
        ("tasks = 3", "tasks] is 3; it must be a table"),
    ],
)
def test_wrong_claim_is_told_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    """A claim that is misspelt, or that cannot be, is refused."""
    with pytest.raises(PublishError) as told:
        read_project(write(tmp_path, f"[tool.taskmgr.contract]\n{text}"))
    assert said in str(told.value)


def test_project_is_found_from_a_folder_inside(tmp_path: Path) -> None:
    """The nearest folder upwards that announces a task is the project."""
    inside = write(tmp_path, "") / "tests" / "deep"
    inside.mkdir(parents=True)
    (inside.parent / "pyproject.toml").write_text("[project]\nname = 'other'\n")
    assert find_project(inside) == tmp_path
    assert find_project(tmp_path.parent) is None


@given(
    st.floats(-100, 100),
    st.lists(st.floats(-0.5, 0.5), min_size=40, max_size=60),
    st.lists(st.floats(-1e6, 1e6), max_size=5),
)
def test_slope_is_found_through_noise_and_single_jumps(
    growth: float, noise: list[float], jumps: list[float]
) -> None:
    """Whatever some of the values are, the growth of all others is told."""
    values = [at * growth + each for at, each in enumerate(noise)]
    for at, jump in enumerate(jumps):
        values[7 * at % len(values)] = jump
    assert math.isclose(slope(values), growth, abs_tol=0.5)


def test_one_step_is_no_growth() -> None:
    """Memory that is taken once and kept does not count as growth."""
    assert slope([100.0] * 15 + [400.0] * 25) == 0
