"""An environment is built once, of exactly what its release names, and heals itself."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest
from filelock import FileLock
from plugin_projects import Desk, open_desk, remove, write_evil_sdk, write_plugin

from taskmgr_core.documents import dumps
from taskmgr_core.environment_builder import RECORD
from taskmgr_core.environments import Environment
from taskmgr_core.errors import ArtifactError, EnvironmentBuildError
from taskmgr_core.lockfile import parse_lock
from taskmgr_core.models import ModelFiles
from taskmgr_core.runners import RunnerLauncher
from taskmgr_core.sdk_wheel import sdk_version
from taskmgr_core.specs import Release
from taskmgr_core.tags import this_platform
from taskmgr_core.worker.housekeeping import Housekeeping

PROCESS = """
import os, sys
from pathlib import Path
from taskmgr_core.documents import loads
from taskmgr_core.environments import Environments
from taskmgr_core.specs import Release
from taskmgr_core.stores.directory import DirectoryArtifacts
from taskmgr_core.uv import Uv

home, what = Path(sys.argv[1]), sys.argv[2]
release = loads(Path(sys.argv[3]).read_text(), Release)
environments = Environments(
    home / "environments", DirectoryArtifacts(home / "artifacts"), Uv.find(os.environ)
)
environment = environments.ensure(release, lambda line: print(line, flush=True))
print("ready", flush=True)
if what == "hold":
    with environment.hold():
        print("held", flush=True)
        sys.stdin.read()
"""


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Release]:
    """A home in which a plugin is published, and its release."""
    folder = tmp_path_factory.mktemp("published")
    desk = open_desk(folder / "home")
    release = desk.publisher.publish(write_plugin(folder / "tiny")).release
    desk.metadata.close()
    return folder / "home", release


@pytest.fixture
def desk(published: tuple[Path, Release], tmp_path: Path) -> Iterator[Desk]:
    """A copy of the published artifacts, no environment built."""
    shutil.copytree(published[0] / "artifacts", tmp_path / "home/artifacts")
    opened = open_desk(tmp_path / "home")
    yield opened
    opened.metadata.close()


@pytest.fixture
def release(published: tuple[Path, Release]) -> Release:
    """The release that is published."""
    return published[1]


def start(desk: Desk, release: Release, what: str = "ensure") -> subprocess.Popen[str]:
    """Another process on the same node that ensures (and holds) the environment."""
    written = desk.home / "release.json"
    written.write_text(dumps(release))
    return subprocess.Popen(
        [sys.executable, "-c", PROCESS, str(desk.home), what, str(written)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    """Wait for the end of a process; what it wrote from now on."""
    written, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return written


def test_environment_runs_the_plugin(desk: Desk, release: Release) -> None:
    """What is built answers for its task."""
    environment = desk.environments.ensure(release)
    runner = RunnerLauncher(desk.home / "work").start(environment, release.distribution)
    try:
        (task,) = runner.request({"kind": "describe"})["tasks"]
    finally:
        runner.close()
    assert task["name"] == "shout"


def test_environment_that_is_there_is_used_at_once(desk: Desk, release: Release) -> None:
    """The second time nothing is built, and it takes less than a millisecond."""
    lines: list[str] = []
    first = desk.environments.ensure(release, lines.append)
    assert len(lines) == 1
    seconds = []
    for _ in range(20):
        started = time.perf_counter()
        assert desk.environments.ensure(release, lines.append) == first
        seconds.append(time.perf_counter() - started)
    assert len(lines) == 1
    assert min(seconds) < 0.001


def test_environment_is_built_once_for_ten_processes(desk: Desk, release: Release) -> None:
    """Of ten that need it at the same moment one builds and the others wait and use it."""
    name = built_name(desk, release)
    with FileLock(desk.environments.folder / ".locks" / f"{name}.build"):
        processes = [start(desk, release) for _ in range(10)]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("waiting")
    written = "".join(finish(process) for process in processes)
    assert written.count("building") == 1
    assert written.count("ready") == 10
    assert len(desk.environments.list()) == 1


def built_name(desk: Desk, release: Release) -> str:
    """The name that the environment will have; the locks' folder is there afterwards."""
    environment = desk.environments.ensure(release)
    remove(environment)
    return environment.path.name


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: (path / RECORD).unlink(),
        lambda path: (path / RECORD).write_text("{"),
        lambda path: (path / RECORD).write_text(json.dumps({"fingerprint": "0" * 64})),
        lambda path: (path / "bin/python").unlink(),
    ],
    ids=["unfinished", "garbled", "another", "no python"],
)
def test_environment_that_is_damaged_is_rebuilt(
    desk: Desk, release: Release, harm: Callable[[Path], object]
) -> None:
    """Without a right record or without its Python it is built anew, whole."""
    environment = desk.environments.ensure(release)
    (environment.path / "left.txt").write_text("of the damaged one")
    harm(environment.path)
    assert not environment.intact()
    assert desk.environments.ensure(release).intact()
    assert not (environment.path / "left.txt").exists()


def test_environment_of_a_killed_builder_is_built_anew(desk: Desk, release: Release) -> None:
    """What a killed builder left is removed and does not get in the way."""
    left = [desk.environments.folder / ".building" / name / "half" for name in ("0", "of-old")]
    for each in left:
        each.mkdir(parents=True)
    assert desk.environments.ensure(release).intact()
    assert not left[0].parent.exists()
    desk.environments.gc(1 << 40)
    assert not left[1].parent.exists()


@pytest.mark.parametrize("which", ["wheel", "lock", "sdk"])
def test_environment_refuses_a_damaged_file_by_name(
    desk: Desk, release: Release, which: str
) -> None:
    """A stored file with another content is named; once it is right again all goes on."""
    file = getattr(release, which)
    content = desk.damage(file.digest)
    with pytest.raises(ArtifactError, match=f"{file.name} of tiny-plugin 1.0.0 is refused"):
        desk.environments.ensure(release)
    desk.artifacts.put_bytes(content, file.name)
    assert desk.environments.ensure(release).intact()


def test_environment_refuses_a_wrong_hash_in_the_lock(desk: Desk, release: Release) -> None:
    """A file that is not the one that was locked is not installed."""
    entries = parse_lock(desk.lock_of(release))
    wrong = "".join(f"{each.name}=={each.version} --hash=sha256:{'0' * 64}\n" for each in entries)
    with pytest.raises(EnvironmentBuildError, match="not the one that its lock names"):
        desk.environments.ensure(desk.with_lock(release, wrong))
    assert desk.environments.list() == []


@pytest.mark.parametrize(
    "line",
    ["attrs>=25", "taskmgr-plugins==99 --hash=sha256:" + "0" * 64, "--index-url https://a.test"],
)
def test_environment_refuses_a_lock_that_is_none(desk: Desk, release: Release, line: str) -> None:
    """An entry that no lock may hold is refused before anything is installed."""
    with pytest.raises(EnvironmentBuildError, match=r"the lock of tiny-plugin 1\.0\.0 is refused"):
        desk.environments.ensure(desk.with_lock(release, line))


def test_environment_never_takes_a_lookalike_of_our_sdk(
    desk: Desk, release: Release, tmp_path: Path
) -> None:
    """With somebody else's taskmgr-plugins 99 at hand, ours is installed."""
    evil = write_evil_sdk(tmp_path / "evil")
    with_evil = open_desk(desk.home, {"UV_FIND_LINKS": str(evil)})
    environment = with_evil.environments.ensure(release)
    with_evil.metadata.close()
    assert installed_sdk(environment) == f"taskmgr_plugins-{sdk_version()}.dist-info"


def installed_sdk(environment: Environment) -> str:
    """The one dist-info of the SDK in an environment."""
    (found,) = environment.path.glob("lib/*/site-packages/taskmgr_plugins-*.dist-info")
    return found.name


def test_environment_without_a_fitting_python_is_refused(desk: Desk, release: Release) -> None:
    """The Python that the release wants is named."""
    with pytest.raises(
        EnvironmentBuildError, match=r"published with Python 3\.99, .* machine has 3\."
    ):
        desk.environments.ensure(attrs.evolve(release, python="3.99"))


def test_environment_of_another_platform_is_refused(desk: Desk, release: Release) -> None:
    """A release that names platforms is built on these alone; both are told."""
    elsewhere = attrs.evolve(release, platforms=("darwin-arm65", "linux-s390"))
    with pytest.raises(
        EnvironmentBuildError,
        match=r"made for darwin-arm65, linux-s390, and this machine is \w+-\w+; run it on",
    ):
        desk.environments.ensure(elsewhere)
    here = attrs.evolve(release, platforms=(this_platform(),))
    assert desk.environments.ensure(here).intact()


def test_gc_removes_the_least_recently_used_first(desk: Desk, release: Release) -> None:
    """Only as many go as must, those unused for the longest first."""
    first, second = two_environments(desk, release)
    desk.environments.ensure(first.release)
    listed = desk.environments.list()
    assert [each.fingerprint for each in listed] == [second.fingerprint, first.fingerprint]
    removed = desk.environments.gc(listed[1].size_bytes, spare_seconds=0)
    assert [each.fingerprint for each in removed] == [second.fingerprint]
    assert first.intact()
    assert not second.path.exists()


def two_environments(desk: Desk, release: Release) -> tuple[Environment, Environment]:
    """The environments of two releases that differ in a comment of the lock."""
    other = desk.with_lock(release, desk.lock_of(release) + "# another\n")
    return desk.environments.ensure(release), desk.environments.ensure(other)


def test_gc_leaves_what_was_used_just_now(desk: Desk, release: Release) -> None:
    """Somebody may have asked for it and be about to hold it."""
    environment = desk.environments.ensure(release)
    assert desk.environments.gc(0) == ()
    assert environment.intact()


def test_worker_keeps_the_virtualenvs_to_their_size(desk: Desk, release: Release) -> None:
    """A worker removes what is too much and was long unused; a limit of 0 is none."""
    environment = desk.environments.ensure(release)
    models = ModelFiles(desk.home / "models", desk.artifacts)
    Housekeeping(desk.environments, models, 0, 0, 0, 0).tidy()
    Housekeeping(desk.environments, models, 1, 0, 0).tidy()
    assert environment.intact()
    Housekeeping(desk.environments, models, 1, 0, 0, 0).tidy()
    assert not environment.path.exists()


def test_gc_never_removes_one_in_use(desk: Desk, release: Release) -> None:
    """Held by a living process it stays; when that is killed it can go."""
    process = start(desk, release, "hold")
    assert process.stdout is not None
    while process.stdout.readline() != "held\n":
        assert process.poll() is None
    assert [each.in_use for each in desk.environments.list()] == [True]
    assert desk.environments.gc(0, spare_seconds=0) == ()
    process.kill()
    process.communicate()
    assert [each.in_use for each in desk.environments.list()] == [False]
    assert len(desk.environments.gc(0, spare_seconds=0)) == 1


def test_environment_that_was_removed_cannot_be_held(desk: Desk, release: Release) -> None:
    """Nobody works in an environment that is gone."""
    environment = desk.environments.ensure(release)
    desk.environments.gc(0, spare_seconds=0)
    with pytest.raises(EnvironmentBuildError, match="was removed meanwhile"), environment.hold():
        pass
