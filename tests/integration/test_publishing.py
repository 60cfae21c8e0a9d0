"""Publishing a plugin: built, locked, tried out, stored, and registered last."""

import hashlib
import os
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs
import pytest
from plugin_projects import (
    SHOUT,
    Desk,
    code_with_model,
    open_desk,
    write_evil_sdk,
    write_plugin,
)

from taskmgr_core.errors import ArtifactError, ConflictError, PublishError
from taskmgr_core.lockfile import parse_lock
from taskmgr_core.publishing.sources import LOCK_NAME

SETUPTOOLS = (
    '[build-system]\nrequires = ["setuptools>=77"]\nbuild-backend = "setuptools.build_meta"\n'
)

SLOW_TO_LOAD = """
import time
from taskmgr_plugins import MLTask, hookimpl

class Slow(MLTask):
    name = "shout"
    load_timeout = 0.2

    def load_model(self) -> None:
        time.sleep(30)

    def predict(self, text: str) -> str:
        return text

@hookimpl
def taskmgr_tasks():
    return [Slow]
"""


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Empty stores."""
    opened = open_desk(tmp_path / "home")
    yield opened
    opened.metadata.close()


def test_publish_registers_the_task_with_all_that_it_needs(desk: Desk, tmp_path: Path) -> None:
    """Wheel, lock and SDK are in the store, and the task can be looked up."""
    published = desk.publisher.publish(write_plugin(tmp_path / "tiny"))
    (version,) = published.versions
    assert published.changed
    assert desk.metadata.version("shout") == version
    assert (version.name, version.version) == ("shout", "1.0.0")
    assert version.task.description == "Say it loud."
    release = published.release
    assert all(desk.artifacts.exists(each.digest) for each in (release.wheel, release.sdk))
    assert (tmp_path / "tiny" / LOCK_NAME).read_text() == desk.lock_of(release)
    assert set(published.seconds) >= {"build", "lock", "environment", "load", "total"}


def test_publish_of_the_same_again_changes_nothing(desk: Desk, tmp_path: Path) -> None:
    """The second time is a no-op that builds nothing but the wheel."""
    folder = write_plugin(tmp_path / "tiny")
    first = desk.publisher.publish(folder)
    lines: list[str] = []
    again = desk.publisher.publish(folder, lines.append)
    assert not again.changed
    assert (again.release, again.versions) == (first.release, first.versions)
    assert lines == ["building the wheel of tiny-plugin"]


def test_publish_of_other_content_in_the_same_version_is_refused(
    desk: Desk, tmp_path: Path
) -> None:
    """The message says that the version has to be raised; with a new one it goes on."""
    folder = write_plugin(tmp_path / "tiny")
    desk.publisher.publish(folder)
    write_plugin(folder, code=SHOUT.replace("upper", "lower"))
    with pytest.raises(ConflictError, match=r"another wheel.*raise the version in pyproject"):
        desk.publisher.publish(folder)
    write_plugin(folder, code=SHOUT.replace("upper", "lower"), version="1.1.0")
    assert desk.publisher.publish(folder).changed
    assert [each.version for each in desk.metadata.versions("shout")] == ["1.1.0", "1.0.0"]


def test_publish_with_another_lock_in_the_same_version_is_refused(
    desk: Desk, tmp_path: Path
) -> None:
    """A lock is content, too."""
    folder = write_plugin(tmp_path / "tiny")
    desk.publisher.publish(folder)
    with (folder / LOCK_NAME).open("a") as opened:
        opened.write("# changed\n")
    with pytest.raises(ConflictError, match=r"another taskmgr\.lock"):
        desk.publisher.publish(folder)


def test_publish_of_a_task_of_another_distribution_is_refused(desk: Desk, tmp_path: Path) -> None:
    """A task's name belongs to who published it first."""
    desk.publisher.publish(write_plugin(tmp_path / "tiny"))
    with pytest.raises(ConflictError, match="'shout' belongs to the distribution 'tiny-plugin'"):
        desk.publisher.publish(write_plugin(tmp_path / "other", name="other-plugin"))


def test_lock_pins_and_hashes_everything_but_our_own(desk: Desk, tmp_path: Path) -> None:
    """The SDK's dependencies are locked, the SDK is not, and no machine is named."""
    lock = desk.lock_of(desk.publisher.publish(write_plugin(tmp_path / "tiny")).release)
    names = {each.name for each in parse_lock(lock)}
    assert {"attrs", "cattrs", "pluggy"} <= names
    assert not [line for line in lock.splitlines() if "://" in line or str(tmp_path) in line]


def test_lock_is_reused_while_the_dependencies_stay(desk: Desk, tmp_path: Path) -> None:
    """A new version of the same dependencies is published with the same lock."""
    folder = write_plugin(tmp_path / "tiny")
    first = desk.publisher.publish(folder).release
    second = desk.publisher.publish(write_plugin(folder, version="1.0.1")).release
    assert second.lock == first.lock
    more = ("taskmgr-plugins>=0.1", "packaging")
    third = desk.publisher.publish(write_plugin(folder, version="1.0.2", dependencies=more))
    assert "packaging" in {each.name for each in parse_lock(desk.lock_of(third.release))}


def test_lock_of_a_ready_wheel_is_kept_in_the_store_only(desk: Desk, tmp_path: Path) -> None:
    """A wheel can be published without its project, again and again."""
    folder = write_plugin(tmp_path / "tiny")
    desk.uv.run(["build", "--wheel", "--out-dir", str(tmp_path / "dist"), str(folder)])
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    assert desk.publisher.publish(wheel).changed
    assert not desk.publisher.publish(wheel).changed
    assert not list(tmp_path.glob(f"**/{LOCK_NAME}"))


def test_publish_never_takes_a_lookalike_of_our_sdk(tmp_path: Path) -> None:
    """With somebody else's taskmgr-plugins 99 at hand, the plugin gets ours."""
    evil = write_evil_sdk(tmp_path / "evil")
    desk = open_desk(tmp_path / "home", {"UV_FIND_LINKS": str(evil)})
    release = desk.publisher.publish(write_plugin(tmp_path / "tiny")).release
    desk.metadata.close()
    (listed,) = desk.environments.list()
    assert not list(listed.path.glob("lib/*/site-packages/taskmgr_plugins-99*"))
    assert list(listed.path.glob("lib/*/site-packages/taskmgr_plugins/protocol.py"))
    assert release.sdk.name.startswith("taskmgr_plugins-0")


def test_dependency_on_a_published_plugin_is_refused(desk: Desk, tmp_path: Path) -> None:
    """Its name is ours from then on: an index could give somebody else's of that name."""
    desk.publisher.publish(write_plugin(tmp_path / "tiny"))
    needing = write_plugin(
        tmp_path / "needing", name="needing", dependencies=["Tiny_Plugin"], task="need"
    )
    with pytest.raises(
        PublishError, match="needing depends on tiny-plugin; that is published here as a plugin"
    ):
        desk.publisher.publish(needing)


def test_dependency_without_a_wheel_is_refused_by_name(tmp_path: Path) -> None:
    """A source distribution is never built; the message says whose it is."""
    links = tmp_path / "links"
    links.mkdir()
    (tmp_path / "setup.py").write_text("raise SystemExit('built')")
    with tarfile.open(links / "only_source-1.0.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "setup.py", "only_source-1.0/setup.py")
    desk = open_desk(tmp_path / "home", {"UV_FIND_LINKS": str(links)})
    folder = write_plugin(tmp_path / "tiny", dependencies=["only-source"])
    with pytest.raises(
        PublishError, match=r"tiny-plugin cannot be locked: only-source has no wheel"
    ):
        desk.publisher.publish(folder)
    desk.metadata.close()


def test_import_failure_shows_the_plugins_own_traceback(desk: Desk, tmp_path: Path) -> None:
    """The author sees the line that failed, and nothing is registered."""
    folder = write_plugin(tmp_path / "tiny", code="def fail():\n    1 / 0\n\nfail()\n")
    with pytest.raises(PublishError) as caught:
        desk.publisher.publish(folder)
    message = str(caught.value)
    assert "tiny-plugin cannot be imported: division by zero" in message
    assert "tiny_plugin/__init__.py" in message
    assert "line 2, in fail" in message
    assert desk.metadata.latest_versions() == []


def test_task_without_entry_point_is_refused(desk: Desk, tmp_path: Path) -> None:
    """The names in the hook and those of the entry points are the same."""
    folder = write_plugin(tmp_path / "tiny", task="shouting")
    with pytest.raises(PublishError, match="'shouting' has no task"):
        desk.publisher.publish(folder)


def test_models_are_stored_by_digest_and_loaded(desk: Desk, tmp_path: Path) -> None:
    """The declared weights go into the store under their name."""
    digest = hashlib.sha256(b"weights").hexdigest()
    folder = write_plugin(tmp_path / "tiny", code=code_with_model(digest))
    (folder / "models").mkdir()
    (folder / "models/weights.bin").write_bytes(b"weights")
    (model,) = desk.publisher.publish(folder).release.models
    assert (model.name, model.digest, model.size) == ("weights.bin", f"sha256:{digest}", 7)
    assert desk.artifacts.read(model.digest) == b"weights"


def test_model_that_is_absent_or_another_is_refused(desk: Desk, tmp_path: Path) -> None:
    """The message has the path, or both digests."""
    digest = "ab" * 32
    folder = write_plugin(tmp_path / "tiny", code=code_with_model(digest))
    with pytest.raises(
        PublishError, match=r"models/weights\.bin is not there; get it from made up"
    ):
        desk.publisher.publish(folder)
    (folder / "models").mkdir()
    (folder / "models/weights.bin").write_bytes(b"other")
    found = hashlib.sha256(b"other").hexdigest()
    with pytest.raises(PublishError, match=f"has the sha256 {found}, .* declares {digest}"):
        desk.publisher.publish(folder)
    assert desk.metadata.latest_versions() == []


def test_task_that_does_not_get_loaded_is_refused(desk: Desk, tmp_path: Path) -> None:
    """The time that its author allows for loading holds for the trial of a publish, too."""
    folder = write_plugin(tmp_path / "tiny", code=SLOW_TO_LOAD)
    with pytest.raises(PublishError, match=r"took longer than its load_timeout of 0\.2 s"):
        desk.publisher.publish(folder)
    assert desk.metadata.latest_versions() == []


def test_model_outside_of_its_folder_is_refused(desk: Desk, tmp_path: Path) -> None:
    """A declared name cannot pick up any file of the machine."""
    (tmp_path / "secret").write_bytes(b"secret")
    digest = hashlib.sha256(b"secret").hexdigest()
    folder = write_plugin(tmp_path / "tiny", code=code_with_model(digest, "../../secret"))
    with pytest.raises(PublishError, match="is outside of"):
        desk.publisher.publish(folder)


def test_two_publishes_at_once_register_once(desk: Desk, tmp_path: Path) -> None:
    """One of them registers it, the other finds it there."""
    folder = write_plugin(tmp_path / "tiny")
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(desk.publisher.publish, folder) for _ in range(2)]
    assert sorted(each.result().changed for each in both) == [False, True]
    assert len(desk.metadata.versions("shout")) == 1


def test_publish_heals_a_store_that_lost_the_wheel(desk: Desk, tmp_path: Path) -> None:
    """Publishing the same again puts back what is missing."""
    folder = write_plugin(tmp_path / "tiny")
    release = desk.publisher.publish(folder).release
    desk.artifacts.remove(release.wheel.digest)
    assert not desk.publisher.publish(folder).changed
    assert desk.artifacts.exists(release.wheel.digest)


@pytest.mark.parametrize("which", ["wheel", "lock", "sdk", "model"])
def test_publish_heals_a_store_with_a_damaged_file(desk: Desk, tmp_path: Path, which: str) -> None:
    """Publishing the same again, as the error advises, puts right what is damaged."""
    folder = write_plugin(
        tmp_path / "tiny", code=code_with_model(hashlib.sha256(b"long weights").hexdigest())
    )
    (folder / "models").mkdir()
    (folder / "models/weights.bin").write_bytes(b"long weights")
    release = desk.publisher.publish(folder).release
    file = release.models[0] if which == "model" else getattr(release, which)
    content = desk.damage(file.digest)
    with pytest.raises(ArtifactError, match="publish again"):
        desk.artifacts.local_path(file.digest)
    again = desk.publisher.publish(folder)
    assert (again.changed, again.release) == (False, release)
    assert desk.artifacts.read(file.digest) == content


def test_publish_heals_a_wheel_that_was_published_with_an_older_sdk(
    desk: Desk, tmp_path: Path
) -> None:
    """A damaged wheel is put right, too, while its release gets the SDK of this taskmgr."""
    folder = write_plugin(tmp_path / "tiny")
    (version,) = desk.publisher.publish(folder).versions
    older = attrs.evolve(version.release, sdk=desk.artifacts.put_bytes(b"older", "older.whl"))
    desk.metadata.close()
    (desk.home / "taskmgr.sqlite").unlink()
    desk.metadata.initialize()
    desk.metadata.add_versions([attrs.evolve(version, release=older)])
    desk.damage(older.wheel.digest)
    again = desk.publisher.publish(folder)
    assert (again.renewed, again.release.wheel) == (("sdk",), older.wheel)
    assert desk.artifacts.local_path(older.wheel.digest).is_file()


def test_plugin_of_another_build_backend_can_be_published(desk: Desk, tmp_path: Path) -> None:
    """Any PEP 517 backend will do, and building again gives the same wheel."""
    folder = write_plugin(tmp_path / "tiny", build_system=SETUPTOOLS)
    assert desk.publisher.publish(folder).changed
    for path in folder.rglob("*.py"):
        os.utime(path)
    assert not desk.publisher.publish(folder).changed


@pytest.mark.parametrize(
    ("pyproject", "message"),
    [
        (None, "has no pyproject.toml"),
        ("[tool.x]\n", r"has no \[project\] table"),
        ("[project\n", "cannot be read"),
        ('[project]\nversion = "1"\n', "has no name"),
        ('[project]\nname = "tiny"\n', "has no version"),
        ('[project]\nname = "tiny"\nversion = "1"\n', r"announces no task.*entry-points"),
        ('[project]\nname = "taskmgr-core"\nversion = "1"\n', "taskmgr's own name"),
    ],
)
def test_folder_that_is_no_plugin_is_refused(
    desk: Desk, tmp_path: Path, pyproject: str | None, message: str
) -> None:
    """Each thing that is missing is named, with what to write."""
    if pyproject is not None:
        (tmp_path / "pyproject.toml").write_text(pyproject)
    with pytest.raises(PublishError, match=f"(?s){message}"):
        desk.publisher.publish(tmp_path)


def test_path_that_is_no_folder_is_refused(desk: Desk, tmp_path: Path) -> None:
    """A file and nothing at all are told apart."""
    (tmp_path / "file").write_text("")
    with pytest.raises(PublishError, match="is no folder"):
        desk.publisher.publish(tmp_path / "file")
    with pytest.raises(PublishError, match="is not there"):
        desk.publisher.publish(tmp_path / "nothing")


def test_source_distribution_is_refused(desk: Desk, tmp_path: Path) -> None:
    """An sdist in place of a wheel is told to be one, with what to give instead."""
    (tmp_path / "tiny_plugin-1.0.0.tar.gz").write_bytes(b"")
    with pytest.raises(PublishError, match=r"is a source distribution.*build its wheel"):
        desk.publisher.publish(tmp_path / "tiny_plugin-1.0.0.tar.gz")


def test_build_failure_has_the_backends_words(desk: Desk, tmp_path: Path) -> None:
    """What the backend wrote last reaches the author."""
    folder = write_plugin(tmp_path / "tiny")
    (folder / "src/tiny_plugin/__init__.py").rename(folder / "src/moved.py")
    with pytest.raises(
        PublishError, match=r"(?s)wheel of .* cannot be built\. uv says:.*tiny_plugin"
    ):
        desk.publisher.publish(folder)


def test_default_that_does_not_fit_is_refused(desk: Desk, tmp_path: Path) -> None:
    """A plugin with such a task is not registered."""
    code = SHOUT.replace("text: str", "text: str, times: int = 'twice'")
    with pytest.raises(PublishError, match='shout has a default that does not fit: times: "twice"'):
        desk.publisher.publish(write_plugin(tmp_path / "tiny", code=code))
    assert desk.metadata.latest_versions() == []
