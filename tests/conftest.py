"""What holds for every test: hypothesis profiles, and that nothing leaks from one to the next."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from forked_program import FORKED

# `HYPOTHESIS_PROFILE=thorough make test` searches longer, and anew each time; `nightly`
# longer still.
settings.register_profile(
    "default",
    derandomize=True,
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "thorough",
    deadline=None,
    max_examples=2000,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("nightly", settings.get_profile("thorough"), max_examples=10_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

# pytest itself sets the first two while a test runs; importing OpenCV sets the last.
ALLOWED = ("PYTEST_CURRENT_TEST", "PYTEST_VERSION", "LD_LIBRARY_PATH")


@pytest.fixture(scope="session", autouse=True)
def forked_program() -> Iterator[None]:
    """End the server of the forked program, if a test has used it."""
    yield
    FORKED.close()


@pytest.fixture(scope="session", autouse=True)
def own_settings() -> Iterator[None]:
    """Hide the settings of whoever runs the tests."""
    hidden = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("TASKMGR")}
    yield
    os.environ.update(hidden)


@pytest.fixture(scope="session", autouse=True)
def quick_inner_sessions() -> Iterator[None]:
    """Sessions of pytest that tests start leave out a plugin that takes a second to import."""
    before = os.environ.get("PYTEST_ADDOPTS")
    os.environ["PYTEST_ADDOPTS"] = f"{before or ''} -p no:schemathesis".strip()
    yield
    os.environ.pop("PYTEST_ADDOPTS")
    if before is not None:
        os.environ["PYTEST_ADDOPTS"] = before


@pytest.fixture(autouse=True)
def nothing_leaks(own_settings: None) -> Iterator[None]:
    """Fail a test that leaves another environment or working directory behind."""
    environment, folder = _environment(), Path.cwd()
    yield
    left, left_folder = _environment(), _working_directory()
    os.chdir(folder)
    _restore(environment)
    changed = sorted(name for name, _ in environment.items() ^ left.items())
    assert not changed, f"the test leaks environment variables: {', '.join(set(changed))}"
    assert left_folder == folder, f"the test leaves the working directory at {left_folder}"


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in ALLOWED}


def _restore(environment: dict[str, str]) -> None:
    for name in _environment().keys() - environment.keys():
        del os.environ[name]
    os.environ.update(environment)


def _working_directory() -> Path | None:
    try:
        return Path.cwd()
    except FileNotFoundError:  # the test removed the folder it was in
        return None
