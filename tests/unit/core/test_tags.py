"""Which wheels fit a Python of this machine."""

import platform
import sys
from pathlib import Path

import pytest
from packaging.tags import sys_tags

from taskmgr_core.tags import fits, tags_of
from taskmgr_core.uv import Interpreter

OWN = Interpreter(Path(sys.executable), platform.python_version())
OTHER = Interpreter(Path("python3.99"), "3.99.1")


def test_tags_of_our_own_python_are_those_of_the_library() -> None:
    """For the Python that runs us they are, in their order, what an installer finds by itself."""
    theirs = [each for each in sys_tags() if each.abi != "none" or each.interpreter != "cp"]
    assert [*tags_of(OWN)] == theirs


@pytest.mark.parametrize(
    ("filename", "python", "found"),
    [
        ("attrs-26.1.0-py3-none-any.whl", OTHER, True),
        ("numpy-2.4.6-cp399-cp399-linux_{machine}.whl", OTHER, sys.platform == "linux"),
        ("numpy-2.4.6-cp399-cp399-linux_{machine}.whl", OWN, False),
        ("cv2-5.0-cp37-abi3-linux_{machine}.whl", OTHER, sys.platform == "linux"),
        ("numpy-2.4.6-cp399-cp399-win32.whl", OTHER, False),
        ("numpy-2.4.6.tar.gz", OTHER, False),
    ],
)
def test_wheel_fits_by_its_name(filename: str, python: Interpreter, found: bool) -> None:
    """A wheel of any Python fits, one of this machine and that Python does, no other one."""
    name = filename.format(machine=platform.machine())
    assert fits(name, frozenset(tags_of(python))) is found
