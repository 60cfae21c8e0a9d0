"""A wheel is checked before anything is done with it."""

import base64
import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from taskmgr_core.errors import PublishError
from taskmgr_core.publishing import wheels
from taskmgr_core.publishing.wheels import read_wheel

INFORMATION = "tiny_plugin-1.0.0.dist-info"
METADATA = (
    "Metadata-Version: 2.4\nName: Tiny.Plugin\nVersion: 1.0.0\n"
    "Requires-Dist: attrs>=25\nRequires-Dist: pytest; extra == 'test'\nRequires-Python: >=3.11\n"
)
FILES = {
    "tiny_plugin/__init__.py": "",
    f"{INFORMATION}/METADATA": METADATA,
    f"{INFORMATION}/WHEEL": "Wheel-Version: 1.0\n",
    f"{INFORMATION}/entry_points.txt": "[taskmgr.plugins]\nshout = tiny_plugin\ncount = tiny\n",
}


def write_wheel(
    folder: Path,
    changes: Mapping[str, str | None],
    *,
    record: str | None = None,
    name: str = "tiny_plugin-1.0.0-py3-none-any.whl",
) -> Path:
    """A wheel of ``FILES`` with changes (None leaves a file out), and a right RECORD."""
    files = {key: text for key, text in {**FILES, **changes}.items() if text is not None}
    lines = [f"{key},sha256={digest(text)},{len(text)}" for key, text in files.items()]
    written = record if record is not None else "\n".join([*lines, f"{INFORMATION}/RECORD,,\n"])
    path = folder / name
    with zipfile.ZipFile(path, "w") as archive:
        for key, text in files.items():
            archive.writestr(key, text)
        archive.writestr(f"{INFORMATION}/RECORD", written)
    return path


def digest(text: str) -> str:
    """As RECORD writes it."""
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def test_wheel_is_read_with_normalised_names(tmp_path: Path) -> None:
    """Name, version, dependencies, Python and tasks come out of it."""
    wheel = read_wheel(write_wheel(tmp_path, {}))
    assert (wheel.distribution, wheel.version) == ("tiny-plugin", "1.0.0")
    assert wheel.tasks == ("count", "shout")
    assert str(wheel.requires_python) == ">=3.11"
    assert [each.name for each in wheel.needed()] == ["attrs"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({f"{INFORMATION}/entry_points.txt": None}, "announces no task.*entry-points"),
        (
            {f"{INFORMATION}/entry_points.txt": "[console_scripts]\na = b:c\n"},
            "announces no task",
        ),
        ({f"{INFORMATION}/METADATA": None}, "one .dist-info with METADATA"),
        ({f"{INFORMATION}/METADATA": "Name: other\nVersion: 1.0.0\n"}, "METADATA is of other"),
        ({f"{INFORMATION}/METADATA": "Name: tiny-plugin\nVersion: 2\n"}, "of tiny-plugin 2"),
        ({f"{INFORMATION}/METADATA": "Name: tiny-plugin\nVersion: x\n"}, "version 'x'"),
        ({f"{INFORMATION}/METADATA": METADATA + "Requires-Dist: ??\n"}, "dependency cannot be"),
        ({"../outside.py": "x"}, r"'\.\./outside\.py' leads out of the wheel"),
        ({"/etc/outside": "x"}, "leads out of the wheel"),
    ],
)
def test_wheel_that_is_no_sound_plugin_is_refused(
    tmp_path: Path, changes: Mapping[str, str | None], message: str
) -> None:
    """Each fault has a message that names it."""
    with pytest.raises(PublishError, match=f"(?s){message}"):
        read_wheel(write_wheel(tmp_path, changes))


def test_wheel_with_a_changed_file_is_refused(tmp_path: Path) -> None:
    """A file that is not what RECORD says is named."""
    lines = [f"{key},sha256={digest(text)}," for key, text in FILES.items()]
    record = "\n".join([*lines, f"{INFORMATION}/RECORD,,\n"])
    path = write_wheel(tmp_path, {"tiny_plugin/__init__.py": "evil"}, record=record)
    with pytest.raises(PublishError, match=r"tiny_plugin/__init__\.py is not what its RECORD"):
        read_wheel(path)


def test_wheel_with_an_unlisted_file_is_refused(tmp_path: Path) -> None:
    """RECORD names every file."""
    path = write_wheel(tmp_path, {}, record=f"{INFORMATION}/RECORD,,\n")
    with pytest.raises(PublishError, match="is not in its RECORD"):
        read_wheel(path)


def test_wheel_that_lacks_a_listed_file_is_refused(tmp_path: Path) -> None:
    """What RECORD names is there."""
    lines = [f"{key},sha256={digest(text)}," for key, text in FILES.items()]
    record = "\n".join([*lines, "tiny_plugin/gone.py,sha256=x,1", f"{INFORMATION}/RECORD,,\n"])
    with pytest.raises(PublishError, match=r"gone\.py is in its RECORD and not in the wheel"):
        read_wheel(write_wheel(tmp_path, {}, record=record))


def test_file_that_is_no_wheel_is_refused(tmp_path: Path) -> None:
    """Neither a wrong name nor wrong content is taken."""
    broken = tmp_path / "tiny_plugin-1.0.0-py3-none-any.whl"
    broken.write_bytes(b"no zip")
    with pytest.raises(PublishError, match="no readable wheel"):
        read_wheel(broken)
    with pytest.raises(PublishError, match="no wheel's file name"):
        read_wheel(write_wheel(tmp_path, {}, name="tiny.whl"))


def test_wheel_of_our_own_name_is_refused(tmp_path: Path) -> None:
    """Nobody publishes a plugin as taskmgr-plugins."""
    changes = {f"{INFORMATION}/METADATA": "Name: taskmgr-plugins\nVersion: 1.0.0\n"}
    path = write_wheel(tmp_path, changes, name="taskmgr_plugins-1.0.0-py3-none-any.whl")
    with pytest.raises(PublishError, match="taskmgr's own name"):
        read_wheel(path)


def test_wheel_that_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it takes unpacked counts, and the place for weights is told."""
    monkeypatch.setattr(wheels, "MAXIMUM_BYTES", 1000)
    path = write_wheel(tmp_path, {"tiny_plugin/weights.bin": "0" * 1000})
    with pytest.raises(PublishError, match=r"bytes unpacked, allowed are 1000; put weights into"):
        read_wheel(path)
