"""The fixtures of every test catch what a test leaves behind."""

import shutil
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

CONFTEST = Path(__file__).parents[1] / "conftest.py"


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    """A folder of tests with this project's own conftest.py."""
    shutil.copy(CONFTEST.with_name("forked_program.py"), pytester.path)
    pytester.makeconftest(CONFTEST.read_text())
    return pytester


def test_leaked_environment_variable_fails_the_test(suite: pytest.Pytester) -> None:
    """A variable that a test leaves set makes that test fail, by name, and the next one not."""
    suite.makepyfile(
        """
        import os

        def test_one():
            os.environ["LEFT_BEHIND"] = "1"

        def test_two():
            assert "LEFT_BEHIND" not in os.environ
        """
    )
    result = suite.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*leaks environment variables: LEFT_BEHIND*"])


def test_changed_working_directory_fails_the_test(suite: pytest.Pytester) -> None:
    """A test that ends in another folder fails, and the next one starts where it should."""
    suite.makepyfile(
        """
        import os
        from pathlib import Path

        START = Path.cwd()

        def test_one(tmp_path):
            os.chdir(tmp_path)

        def test_two():
            assert Path.cwd() == START
        """
    )
    result = suite.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*leaves the working directory at*"])


def test_settings_of_the_user_are_hidden(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A test sees no TASKMGR_ variable of whoever runs it; a monkeypatch is no leak."""
    monkeypatch.setenv("TASKMGR_HOME", "elsewhere")
    suite.makepyfile(
        """
        import os

        def test_one(monkeypatch):
            assert "TASKMGR_HOME" not in os.environ
            monkeypatch.setenv("TASKMGR_HOME", "mine")
        """
    )
    result = suite.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=1)
