"""Which files a runner may see: its virtualenv, the Python of that, what programs need."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from taskmgr_core.bytecode import is_shared
from taskmgr_core.runners.landlock import CACHE, READ, RUN, USE, WRITE, Rule

# Programs, libraries and their data; nothing that belongs to somebody.
PROGRAMS = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/nix/store")
ACCELERATORS = ("/opt/rocm", "/opt/cuda", "/opt/intel")
# Name look-up, certificates, time zones, fonts, loaders. No key and no password is among them.
SYSTEM = (
    *("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives"),
    *("localtime", "timezone", "os-release", "locale.alias", "locale.conf"),
    *("nsswitch.conf", "hosts", "host.conf", "gai.conf", "resolv.conf", "protocols", "services"),
    *("passwd", "group", "mime.types", "magic", "fonts"),
    *("ssl/certs", "ssl/openssl.cnf", "ssl/cert.pem", "ca-certificates", "ca-certificates.conf"),
    *("pki/tls/certs", "pki/tls/openssl.cnf", "pki/ca-trust/extracted", "crypto-policies"),
    *("OpenCL", "vulkan", "nvidia"),
)
# The kernel's view of processes and of the machine. What others have in memory or in their
# environment it does not show to a process that is restricted.
KERNEL = ("/proc", "/sys")
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
SHARED_MEMORY = "/dev/shm"  # noqa: S108 - semaphores of multiprocessing lie there
ACCELERATOR_DEVICES = ("nvidia*", "nvidia-caps", "dri", "kfd", "dxg", "accel")
_PYTHON_FOLDERS = ("bin", "lib", "lib64", "libexec", "share", "ssl", "include", "Python3")


def rules_of(
    environment: Path,
    readable: tuple[Path, ...],
    writable: tuple[Path, ...],
    *,
    accelerators: bool,
) -> list[Rule]:
    """What a runner may do with files.

    Arguments:
        environment: its virtualenv.
        readable: what else it may read.
        writable: its working folder, and what else it may read and write.
        accelerators: whether it may use the machine's GPUs.
    """
    status = environment.stat()
    own, caches = _of_environment(environment, status.st_ino, status.st_ctime_ns)
    return [
        *_system(),
        *own,
        *(Rule(each, CACHE) for each in caches),
        *(Rule(each, READ) for each in readable),
        *(Rule(each, WRITE) for each in writable),
        *(Rule(each, USE) for each in _accelerators() if accelerators),
    ]


def _system() -> Iterator[Rule]:
    for name in (*PROGRAMS, *ACCELERATORS):
        yield Rule(Path(name), RUN)
    for name in SYSTEM:
        yield Rule(Path("/etc", name), READ)
    for name in KERNEL:
        yield Rule(Path(name), READ)
    for path in Path("/etc").glob("python3*"):
        yield Rule(path, READ)
    yield Rule(Path("/var/cache/fontconfig"), READ)
    for name in DEVICES:
        yield Rule(Path(name), USE)
    yield Rule(Path(SHARED_MEMORY), WRITE)


def _accelerators() -> Iterator[Path]:
    for name in ACCELERATOR_DEVICES:
        yield from Path("/dev").glob(name)


@lru_cache(maxsize=256)
def _of_environment(
    environment: Path, _inode: int, _changed: int
) -> tuple[tuple[Rule, ...], tuple[Path, ...]]:
    """The rules of a virtualenv, and its folders of bytecode, made where there are none.

    It is looked through once, as long as it is the same.
    """
    rules = [Rule(environment, RUN)]
    for prefix in _prefixes(environment):
        rules += [Rule(prefix / name, RUN) for name in _PYTHON_FOLDERS]
    linked = _linked(environment)
    if linked is not None:
        rules.append(Rule(linked, RUN))
    return tuple(rules), tuple(_bytecode(environment / "lib"))


def _prefixes(environment: Path) -> set[Path]:
    """Where the Python lies that a virtualenv is made from, by its record and in fact."""
    found = {(environment / "bin" / "python").resolve().parent.parent}
    with contextlib.suppress(OSError, UnicodeDecodeError):
        for line in (environment / "pyvenv.cfg").read_text().splitlines():
            key, _, value = line.partition("=")
            if key.strip() == "home":
                found |= {Path(value.strip()).parent, Path(value.strip()).resolve().parent}
    return found


def _linked(environment: Path) -> Path | None:
    """The folder in uv's cache that the installed files are links to, if they are symbolic ones."""
    for path in environment.glob("lib/*/site-packages/taskmgr_plugins/__init__.py"):
        if path.is_symlink():
            return path.resolve().parents[2]
    return None


def _bytecode(folder: Path) -> Iterator[Path]:
    """The folders in which Python keeps the bytecode of the modules beside them.

    They have to be there: a runner may write into them, and make no other. Not those that
    hold links to what other virtualenvs have, too.
    """
    for root, folders, names in os.walk(folder):
        if "__pycache__" in folders:
            folders.remove("__pycache__")
        if any(name.endswith(".py") for name in names):
            cache = Path(root) / "__pycache__"
            with contextlib.suppress(OSError):
                cache.mkdir(exist_ok=True)
                if not is_shared(cache):
                    yield cache
