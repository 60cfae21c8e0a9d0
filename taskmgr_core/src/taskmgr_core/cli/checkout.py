"""Finds the checkout of taskmgr's own repository, which the demonstration needs."""

from __future__ import annotations

from pathlib import Path

import attrs

from taskmgr_core.errors import NotFoundError

PIPELINE = "face_processing"
PICTURE = "city.jpg"


@attrs.frozen
class Checkout:
    """A checkout.

    Attributes:
        root: its folder.
    """

    root: Path

    @property
    def plugins(self) -> list[Path]:
        """The folders of its plugins, sorted."""
        return sorted(each.parent for each in self.root.glob("plugins/*/pyproject.toml"))

    @property
    def pipelines(self) -> list[Path]:
        """Its pipeline files, sorted."""
        return sorted(self.root.glob("pipelines/*.json"))

    @property
    def picture(self) -> Path:
        """The photograph to begin with."""
        return self.root / "examples" / "images" / PICTURE


def find_checkout(working: Path) -> Checkout:
    """The checkout that a folder is in.

    Raises:
        NotFoundError: it is in none.
    """
    for folder in (working, *working.parents):
        pipeline = folder / "pipelines" / f"{PIPELINE}.json"
        if pipeline.is_file() and (folder / "plugins").is_dir():
            return Checkout(folder)
    raise NotFoundError(
        f"{working} is not in a checkout of taskmgr's repository, and the demonstration publishes "
        "the plugins that lie there; go to its folder (it has plugins/ and pipelines/) and say "
        "`taskmgr demo` again"
    )
