"""Small plugins to publish, and a desk with everything that publishing needs."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

from taskmgr_core.documents import digest_of
from taskmgr_core.environments import Environment, Environments
from taskmgr_core.publishing import Publisher
from taskmgr_core.runners import RunnerLauncher
from taskmgr_core.specs import Release
from taskmgr_core.stores.directory import DirectoryArtifacts
from taskmgr_core.stores.sqlite import SqliteMetadata
from taskmgr_core.uv import Uv

UV_BUILD = '[build-system]\nrequires = ["uv_build>=0.13,<0.14"]\nbuild-backend = "uv_build"\n'
SHOUT = '''
from taskmgr_plugins import hookimpl, task

@task
def shout(text: str) -> str:
    """Say it loud."""
    return text.upper()

@hookimpl
def taskmgr_tasks():
    return [shout]
'''


def write_plugin(
    folder: Path,
    *,
    name: str = "tiny-plugin",
    version: str = "1.0.0",
    dependencies: Sequence[str] = ("taskmgr-plugins>=0.1",),
    task: str = "shout",
    code: str = SHOUT,
    build_system: str = UV_BUILD,
    python: str = ">=3.11",
) -> Path:
    """Write the project of a plugin with one task; returns its folder."""
    module = name.replace("-", "_")
    wanted = ", ".join(f'"{each}"' for each in dependencies)
    package = folder / "src" / module
    package.mkdir(parents=True, exist_ok=True)
    (package / "__init__.py").write_text(code)
    (folder / "pyproject.toml").write_text(
        f'[project]\nname = "{name}"\nversion = "{version}"\nrequires-python = "{python}"\n'
        f"dependencies = [{wanted}]\n\n"
        f'[project.entry-points."taskmgr.plugins"]\n{task} = "{module}"\n\n{build_system}'
    )
    return folder


def code_with_model(digest: str, name: str = "weights.bin") -> str:
    """A plugin whose task reads its weights when it is loaded."""
    return f"""
from taskmgr_plugins import MLTask, Model, hookimpl

class Weigh(MLTask):
    name = "shout"
    models = (Model({name!r}, {digest!r}, "MIT", "made up"),)

    def load_model(self) -> bytes:
        return self.model_path({name!r}).read_bytes()

    def predict(self, text: str) -> str:
        return text

@hookimpl
def taskmgr_tasks():
    return [Weigh]
"""


def write_evil_sdk(folder: Path) -> Path:
    """A folder of wheels with somebody else's taskmgr-plugins in a version above ours."""
    folder.mkdir(parents=True)
    information = "taskmgr_plugins-99.0.dist-info"
    files = {
        "taskmgr_plugins/__init__.py": "EVIL = True\n",
        f"{information}/METADATA": "Metadata-Version: 2.1\nName: taskmgr-plugins\nVersion: 99.0\n",
        f"{information}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in [*files, f"{information}/RECORD"])
    with zipfile.ZipFile(folder / "taskmgr_plugins-99.0-py3-none-any.whl", "w") as archive:
        for name, text in {**files, f"{information}/RECORD": record}.items():
            archive.writestr(name, text)
    return folder


@attrs.frozen
class Desk:
    """Stores, environments and a publisher in one folder."""

    home: Path
    uv: Uv
    artifacts: DirectoryArtifacts
    metadata: SqliteMetadata
    environments: Environments
    publisher: Publisher

    def damage(self, digest: str) -> bytes:
        """Overwrite a stored file; returns what was in it."""
        path = self.artifacts.folder / digest[7:9] / digest[7:]
        content = path.read_bytes()
        path.chmod(0o644)
        path.write_bytes(b"damaged" + content[7:])
        return content

    def with_lock(self, release: Release, lock: str) -> Release:
        """The release with another lock."""
        stored = self.artifacts.put_bytes(lock.encode(), "taskmgr.lock")
        return attrs.evolve(release, lock=stored)

    def lock_of(self, release: Release) -> str:
        """The text of a release's lock."""
        return self.artifacts.read(release.lock.digest).decode()

    def rewheeled(self, release: Release, content: bytes) -> Release:
        """The release with another wheel."""
        stored = self.artifacts.put_bytes(content, release.wheel.name)
        assert stored.digest == digest_of(content)
        return attrs.evolve(release, wheel=stored)


def open_desk(home: Path, variables: Mapping[str, str] | None = None) -> Desk:
    """A desk in a folder, with further variables in uv's environment."""
    uv = Uv.find({**os.environ, **(variables or {})})
    artifacts = DirectoryArtifacts(home / "artifacts")
    artifacts.initialize()
    metadata = SqliteMetadata(home / "taskmgr.sqlite")
    metadata.initialize()
    environments = Environments(home / "environments", artifacts, uv)
    launcher = RunnerLauncher(home / "work")
    publisher = Publisher(metadata, artifacts, environments, launcher, uv, home / "publishing")
    return Desk(home, uv, artifacts, metadata, environments, publisher)


def remove(environment: Environment) -> None:
    """Take an environment away, as if it had never been built."""
    shutil.rmtree(environment.path)
