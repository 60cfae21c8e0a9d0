"""The wheel of our SDK is rebuilt from the installed one, always the same."""

import os
import zipfile
from pathlib import Path

from taskmgr_core.publishing.wheels import check_record
from taskmgr_core.sdk_wheel import build_sdk_wheel, is_own, sdk_requirements, sdk_version
from taskmgr_core.uv import Uv


def test_sdk_wheel_has_the_same_bytes_each_time(tmp_path: Path) -> None:
    """Two builds at different times do not differ."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first, second = (build_sdk_wheel(tmp_path / name) for name in "ab")
    assert first.read_bytes() == second.read_bytes()
    assert first.name == f"taskmgr_plugins-{sdk_version()}-py3-none-any.whl"


def test_sdk_wheel_holds_the_package_and_a_right_record(tmp_path: Path) -> None:
    """Modules, type marker and metadata are in it; caches and traces of installing are not."""
    path = build_sdk_wheel(tmp_path)
    information = f"taskmgr_plugins-{sdk_version()}.dist-info"
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        check_record(path, archive, information)
    assert {"taskmgr_plugins/__main__.py", "taskmgr_plugins/py.typed"} <= names
    assert f"{information}/METADATA" in names
    assert not [each for each in names if "__pycache__" in each or "direct_url" in each]


def test_sdk_wheel_leaves_the_fixtures_out(tmp_path: Path) -> None:
    """What authors test with, and what pytest would find it by, is in no task's virtualenv."""
    with zipfile.ZipFile(build_sdk_wheel(tmp_path)) as archive:
        names = archive.namelist()
    assert not [each for each in names if "testing" in each or "entry_points" in each]


def test_sdk_wheel_can_be_installed(tmp_path: Path) -> None:
    """uv takes it, and the installed distribution is the SDK."""
    uv = Uv.find(os.environ)
    wheel = build_sdk_wheel(tmp_path)
    uv.run(["venv", "--no-project", str(tmp_path / "made")])
    python = str(tmp_path / "made/bin/python")
    uv.run(["pip", "install", "--no-deps", "--python", python, str(wheel)])
    listed = uv.run(["pip", "list", "--format", "json", "--python", python])
    assert f'"name":"taskmgr-plugins","version":"{sdk_version()}"' in listed.replace(" ", "")


def test_sdk_requirements_name_dependencies_and_python() -> None:
    """A lock follows from these; neither its own version nor its extras are among them."""
    wanted = sdk_requirements()
    assert any(each.startswith("attrs") for each in wanted)
    assert any(each.startswith("python >=") for each in wanted)
    assert not [each for each in wanted if "pytest" in each]


def test_own_names_are_known_in_every_spelling() -> None:
    """PEP 503 spellings of one name are one name."""
    assert is_own("Taskmgr_Plugins")
    assert is_own("taskmgr.core")
    assert not is_own("taskmgr-face-detection")
