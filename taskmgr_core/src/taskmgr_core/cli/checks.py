"""What ``taskmgr doctor`` looks at. A check says what it found and, where need be, what to do."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal

import attrs

from taskmgr_core import health
from taskmgr_core.errors import TaskmgrError
from taskmgr_core.probes import probes
from taskmgr_core.report.formats import counted, size
from taskmgr_core.runners import in_force, missing_here
from taskmgr_core.settings import Settings
from taskmgr_core.signing.verifying import OFF, REQUIRE
from taskmgr_core.specs import Release, TaskVersion
from taskmgr_core.wiring import Platform

State = Literal["ok", "warn", "fault"]

LITTLE_ROOM = 2_000_000_000
NO_ROOM = 200_000_000
SERVICES_SECONDS = 20.0
GIGABYTE = 1_000_000_000
# Enough to be measured.
COPIED_BYTES = 16_000_000
PYTHONS = ("3.11", "3.12", "3.13", "3.14")


@attrs.frozen
class Finding:
    """What a check found.

    Attributes:
        check: what was looked at.
        state: ``ok``, ``warn`` (works, but) or ``fault`` (something will fail).
        message: what was found.
        advice: what to do; empty where nothing is.
    """

    check: str
    state: State
    message: str
    advice: str = ""


def check_home(settings: Settings) -> Iterator[Finding]:
    """Whether the home can be written, and how much room there is."""
    home = settings.home
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            pass
    except OSError as error:
        yield Finding(
            "home",
            "fault",
            f"{home} cannot be written: {error.strerror or error}",
            "change its owner, or set TASKMGR_HOME to another folder",
        )
        return
    yield Finding("home", "ok", f"{home} can be written")
    free = shutil.disk_usage(home).free
    advice = "make room: `taskmgr env gc --size 0` removes the virtualenvs" if free else ""
    if free < NO_ROOM:
        yield Finding("disk", "fault", f"{size(free)} free", advice)
    elif free < LITTLE_ROOM:
        yield Finding("disk", "warn", f"{size(free)} free", advice)
    else:
        yield Finding("disk", "ok", f"{size(free)} free")


def check_services(settings: Settings) -> Iterator[Finding]:
    """Whether the servers answer."""
    for each in health.check(probes(settings), SERVICES_SECONDS):
        what = " ".join(filter(None, [each.kind, each.version, f"at {each.address}"]))
        answered = "" if each.latency_ms is None else f" answers in {each.latency_ms:g} ms"
        said = f": {each.message}" if each.message else ""
        yield Finding(each.service, each.state, f"{what}{answered}{said}", each.advice)


def check_platform(platform: Platform) -> Iterator[Finding]:
    """Everything that needs the stores; each check by itself, whatever the others find."""
    for name, check in _CHECKS.items():
        try:
            yield from check(platform)
        except TaskmgrError as error:
            yield Finding(name, "fault", str(error))


def _check_database(platform: Platform) -> Iterator[Finding]:
    faults = platform.metadata.faults()
    if platform.settings.metadata_url:
        for fault in faults:
            yield Finding("database", "fault", fault)
        if not faults:
            yield Finding("database", "ok", "the MongoDB server answers, its indexes are there")
        return
    path = platform.settings.database
    if faults:
        yield Finding(
            "database",
            "fault",
            f"{path} is damaged: {'; '.join(faults[:3])}",
            "restore it from a backup, or use another TASKMGR_HOME",
        )
    else:
        yield Finding("database", "ok", f"{path.name} is intact, {size(path.stat().st_size)}")


def _check_records(platform: Platform) -> Iterator[Finding]:
    """Every record can be read."""
    faults = 0
    for error in platform.metadata.damaged():
        faults += 1
        yield Finding("records", "fault", error.fault, error.cure)
    if not faults:
        yield Finding("records", "ok", "every task, pipeline, run and value can be read")


def _check_artifacts(platform: Platform) -> Iterator[Finding]:
    """Every file that the current versions need is there and is what its digest says."""
    releases = _releases(platform)
    faults = 0
    for release in releases:
        for fault in _faults_of(platform, release):
            faults += 1
            yield Finding("artifacts", "fault", fault, f"publish {release.distribution} again")
    if not faults:
        plugins = counted(len(releases), "published plugin")
        yield Finding("artifacts", "ok", f"all files of {plugins} are there and intact")


def _releases(platform: Platform) -> list[Release]:
    """The releases of the current versions."""
    found = [each.release for each in platform.metadata.latest_versions()]
    return list({(each.distribution, each.version): each for each in found}.values())


def _faults_of(platform: Platform, release: Release) -> Iterator[str]:
    for file in (release.wheel, release.lock, release.sdk, *release.models, *release.vendored):
        try:
            platform.artifacts.local_path(file.digest)
        except TaskmgrError as error:
            yield f"{release.distribution} {release.version}, {file.name}: {error}"


def _check_signatures(platform: Platform) -> Iterator[Finding]:
    """Every published version is signed as the policy wants it, and the keys can be used."""
    policy, keyring = platform.settings.signatures, platform.verifier.keyring
    for fault in keyring.faults():
        yield Finding("keys", "fault", fault)
    if policy == OFF:
        yield Finding("signatures", "ok", "none is asked for: the setting signatures is off")
        return
    versions = _versions(platform)
    refused = 0
    for each in versions:
        verdict = platform.verifier.judge(each)
        if verdict.state != "trusted":
            refused += 1
            state: State = "fault" if policy == REQUIRE else "warn"
            message = f"{each.name} {each.version}: {verdict.problem}"
            yield Finding("signatures", state, message, verdict.advice)
    if not refused:
        count = counted(len(versions), "published version")
        yield Finding("signatures", "ok", f"{count}, each signed with a key that is trusted here")


def _versions(platform: Platform) -> list[TaskVersion]:
    """Every published version of every task."""
    tasks = [each.name for each in platform.metadata.latest_versions()]
    return [each for task in tasks for each in platform.metadata.versions(task)]


def _check_environments(platform: Platform) -> Iterator[Finding]:
    """Every installed file is there and unchanged."""
    damaged = platform.environments.damaged()
    for each in damaged:
        yield Finding(
            "virtualenvs",
            "fault",
            f"{each.distribution} {each.version} is damaged: a file in {each.path} is lost or "
            "changed",
            "`taskmgr env repair` removes it; it is built anew when it is needed",
        )
    if not damaged:
        count = counted(len(platform.environments.list()), "virtualenv")
        yield Finding("virtualenvs", "ok", f"{count}, all files are there and unchanged")


def _check_uv(platform: Platform) -> Iterator[Finding]:
    yield Finding("uv", "ok", platform.uv.run(["--version"]).strip())
    for line in platform.uv.carried:
        yield Finding("pip", "ok", line)


def _check_isolation(platform: Platform) -> Iterator[Finding]:
    """What tasks are kept from on this machine."""
    isolation = platform.isolation()
    if fault := isolation.fault():
        yield Finding("isolation", "fault", fault)
        return
    if isolation.mode == "off":
        yield Finding(
            "isolation",
            "warn",
            "switched off: a task can read and write what this user can, and use the network",
            "set TASKMGR_ISOLATION=auto, or publish only plugins that you trust",
        )
        return
    if kept := in_force(isolation):
        yield Finding("isolation", "ok", f"tasks are kept from {' and from '.join(kept)}")
    for missing in missing_here():
        what, _, advice = missing.partition(": ")
        yield Finding("isolation", "warn", f"this machine lacks {what}", advice)


def _check_pythons(platform: Platform) -> Iterator[Finding]:
    found = []
    for wanted in PYTHONS:
        with contextlib.suppress(TaskmgrError):
            found.append(platform.uv.interpreter(wanted).version)
    yield Finding("python", "ok", f"for virtualenvs: {', '.join(found)}")
    for release in _releases(platform):
        try:
            platform.environments.interpreter(release)
        except TaskmgrError as error:
            yield Finding("python", "fault", str(error))


def _check_links(platform: Platform) -> Iterator[Finding]:
    """Virtualenvs are links to uv's cache where both are on one file system."""
    cache = Path(platform.uv.run(["cache", "dir"]).strip())
    folder = platform.environments.folder
    if _can_link(cache, folder):
        yield Finding("links", "ok", f"virtualenvs share their files with uv's cache {cache}")
        return
    copies = sum(copied_bytes(each.path) for each in platform.environments.list())
    yield Finding(
        "links",
        "warn",
        f"uv's cache {cache} is on another file system than {folder}, and no hard link leads from "
        f"one into the other: each virtualenv is a copy, slower to make{_copying(cache, folder)}; "
        f"those that are here take {size(copies)} more than links would",
        f"set UV_CACHE_DIR to a folder beside {folder}, or TASKMGR_HOME to one beside the cache; "
        "`taskmgr env gc --size 0` then has the virtualenvs built anew, as links",
    )


def copied_bytes(folder: Path) -> int:
    """The size of the installed files that are shared with nobody."""
    total = 0
    for root, _, names in os.walk(folder / "lib"):
        for name in names:
            with contextlib.suppress(OSError):
                status = (Path(root) / name).lstat()
                total += status.st_size if status.st_nlink == 1 else 0
    return total


def _copying(cache: Path, folder: Path) -> str:
    """How long it takes to copy what a large virtualenv has, measured with a part of it."""
    try:
        with (
            tempfile.NamedTemporaryFile(dir=cache, prefix=".taskmgr-") as source,
            tempfile.NamedTemporaryFile(dir=folder, prefix=".links-") as target,
        ):
            source.write(os.urandom(COPIED_BYTES))
            source.flush()
            started = time.perf_counter()
            shutil.copyfile(source.name, target.name)
            os.fsync(target.fileno())
            seconds = (time.perf_counter() - started) * GIGABYTE / COPIED_BYTES
    except OSError:
        return ""
    return f" (measured now: {seconds:.1f} s more for each GB)"


def _can_link(cache: Path, folder: Path) -> bool:
    try:
        cache.mkdir(parents=True, exist_ok=True)
        folder.mkdir(parents=True, exist_ok=True)
        with (
            tempfile.NamedTemporaryFile(dir=cache, prefix=".taskmgr-") as opened,
            tempfile.TemporaryDirectory(dir=folder, prefix=".links-") as linked,
        ):
            os.link(opened.name, Path(linked) / "link")
    except OSError:
        return False
    return True


def _check_hooks(platform: Platform) -> Iterator[Finding]:
    """Every hook plugin can be used, here and on the workers."""
    places = {"here": platform.hooks.states(load=True), **platform.hook_states_of_workers()}
    used = {each.name for states in places.values() for each in states if each.state != "off"}
    troubled = [
        (place, each) for place, states in places.items() for each in states if not each.is_well
    ]
    for place, each in troubled:
        yield Finding(
            "hooks",
            "warn",
            f"{each.name} ({each.source}) is {each.state}, {place}: {each.message}",
            f"correct it, or leave it out with TASKMGR_HOOKS=-{each.name}",
        )
    for name in platform.hooks.not_installed():
        yield Finding("hooks", "warn", f"the setting hooks names {name!r}, which is not installed")
    if not troubled:
        yield Finding("hooks", "ok", f"{counted(len(used), 'plugin')}: {', '.join(sorted(used))}")


def _check_workers(platform: Platform) -> Iterator[Finding]:
    since = time.time() - platform.settings.lost_after
    workers = platform.metadata.workers()
    lost = [each for each in workers if each.heartbeat < since]
    alive = counted(len(workers) - len(lost), "worker")
    yield Finding("workers", "ok", f"{alive} alive")
    for each in lost:
        yield Finding(
            "workers",
            "warn",
            f"{each.id} has not been heard of for {time.time() - each.heartbeat:.0f} s",
            "what it ran is run again by others; start one: `taskmgr worker start`",
        )


_CHECKS: Mapping[str, Callable[[Platform], Iterator[Finding]]] = {
    "database": _check_database,
    "records": _check_records,
    "artifacts": _check_artifacts,
    "signatures": _check_signatures,
    "virtualenvs": _check_environments,
    "uv": _check_uv,
    "python": _check_pythons,
    "links": _check_links,
    "isolation": _check_isolation,
    "hooks": _check_hooks,
    "workers": _check_workers,
}
