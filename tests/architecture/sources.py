"""The project's own files, for tests that read them."""

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

import attrs

ROOT = Path(__file__).parents[2]
# Each package with the folder of its distribution.
FOLDERS = {
    "taskmgr_plugins": "taskmgr_plugins",
    "taskmgr_core": "taskmgr_core",
    "taskmgr_tui": "tui",
}
PACKAGES = tuple(FOLDERS)
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@attrs.frozen
class Source:
    """A Python file of the project."""

    path: Path
    text: str

    @property
    def name(self) -> str:
        """The path as a reader would say it."""
        return str(self.path.relative_to(ROOT))

    @property
    def tree(self) -> ast.Module:
        """The parsed file."""
        return ast.parse(self.text, self.name)


def package_sources() -> list[Source]:
    """Every module of the packages that are shipped."""
    folders = [ROOT / folder / "src" / package for package, folder in FOLDERS.items()]
    return [each for folder in folders for each in _under(folder)]


def suite_sources() -> list[Source]:
    """Every module of the tests, but for the plugins that they publish."""
    return [each for each in _under(ROOT / "tests") if "projects" not in each.path.parts]


def _under(folder: Path) -> list[Source]:
    return [Source(path, path.read_text()) for path in sorted(folder.rglob("*.py"))]


def definitions(tree: ast.Module) -> Iterator[tuple[str, Definition]]:
    """Every class, function and method with its dotted name; nothing inside of functions."""
    waiting: list[tuple[str, ast.stmt]] = [("", each) for each in tree.body]
    while waiting:
        outer, node = waiting.pop(0)
        if isinstance(node, Definition):
            name = f"{outer}.{node.name}" if outer else node.name
            yield name, node
            if isinstance(node, ast.ClassDef):
                waiting += [(name, each) for each in node.body]
        elif isinstance(node, ast.If | ast.Try):
            waiting += [(outer, each) for each in [*node.body, *node.orelse]]


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function, wherever it is defined."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def tracked_files() -> list[Path]:
    """Every file that git tracks, or would with the next ``git add``."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]
