"""A new plugin project from a template: it passes its own tests and can be published as it is.

The templates lie beside this module. A file's name ends in ``.tmpl``, so that
no tool takes it for code; ``__name__`` and ``__package__`` in paths, and
``${...}`` in texts, are replaced.
"""

from __future__ import annotations

import builtins
import hashlib
import json
import keyword
import re
import sys
from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

import attrs

from taskmgr_core.errors import ConflictError, InvalidValueError, NotFoundError

SUFFIX = ".tmpl"
LONGEST_NAME = 30

# As those of tasks, but such that the distribution's name gives that of its package back, which
# build backends ask for: it has one - in place of any number of _, and none at its ends.
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*\Z")
# What a task of that name would hide in a template, and taskmgr's own packages.
_TAKEN = frozenset({"m_l_task", "model", "prediction", "task", "core", "plugins", "tui"})
# What every plugin's virtualenv has, or its author works with.
_DEPENDENCIES = frozenset(
    {"attr", "attrs", "cattr", "cattrs", "pluggy", "hypothesis", "mypy", "pytest", "ruff"}
    | {"cv2", "numpy", "onnxruntime", "pandas", "scipy", "sklearn", "tensorflow", "torch"}
)


@attrs.frozen
class _Kind:
    """What differs between the templates, beside their files."""

    description: str
    tasks: tuple[str, ...]
    example_input: str
    layout: tuple[tuple[str, str], ...]
    test_more: str = ""
    publish_more: str = ""

    @property
    def has_cases(self) -> bool:
        """Whether there are inputs with what is expected of them."""
        return any(path == "cases" for path, _ in self.layout)

    def dev_more(self, name: str) -> str:
        """What `taskmgr dev` needs behind the folder: with cases, nothing."""
        return "" if self.has_cases else f"{self.test_more.format(name=name)} {self.example_input}"


TEMPLATES: Mapping[str, _Kind] = {
    "simple": _Kind(
        description="A taskmgr task: count the words of a text.",
        tasks=("{name}",),
        example_input="text='to be or not'",
        layout=(
            ("src/{package}/tasks.py", "the task: a function with `@task`"),
            ("cases", "inputs with the outputs that are expected"),
        ),
    ),
    "ml": _Kind(
        description="A taskmgr task: tell a question from a statement.",
        tasks=("{name}",),
        example_input="text='Why is that so?'",
        layout=(
            ("src/{package}/tasks.py", "the task: a class with a model that stays loaded"),
            ("models", "its weights, which are stored beside the wheel and not in it"),
            ("cases", "inputs with the outputs that are expected"),
        ),
    ),
    "pipeline": _Kind(
        description="Two taskmgr tasks and a pipeline: measure the sentences of a text.",
        tasks=("{name}_split", "{name}_measure"),
        example_input="text='It rains. Why?'",
        layout=(
            ("src/{package}/tasks.py", "the two tasks"),
            ("{name}.json", "the pipeline that connects them"),
        ),
        test_more=" --task {name}_split",
        publish_more=" {name}.json",
    ),
}


@attrs.frozen
class Project:
    """A project that was written.

    Attributes:
        folder: where it is.
        files: its files, relative to the folder, sorted.
        tasks: the names of its tasks.
        example_input: inputs for a first run, as typed.
        test_more: what `taskmgr test` needs besides.
        dev_more: what `taskmgr dev` needs besides.
        pipeline: the path of its pipeline file, relative to the folder; None without one.
    """

    folder: Path
    files: tuple[Path, ...]
    tasks: tuple[str, ...]
    example_input: str
    test_more: str
    dev_more: str
    pipeline: Path | None


def create_project(name: str, template: str, author: str, parent: Path, year: int) -> Project:
    """Write a new plugin project.

    Arguments:
        name: the task's name; the project's folder gets it, too.
        template: one of ``TEMPLATES``.
        author: who holds the copyright.
        parent: the folder in which the project's is made.
        year: of the copyright.

    Raises:
        InvalidValueError: the name or the author cannot be used.
        NotFoundError: there is no such template.
        ConflictError: the folder is there already, or cannot be made.
    """
    check_name(name)
    if template not in TEMPLATES:
        raise NotFoundError.named("template", template, TEMPLATES)
    if not author.strip() or not author.isprintable():
        raise InvalidValueError(f"{author!r} is no author; give a name, as 'Ada Lovelace'")
    folder = parent / name
    if folder.exists():
        raise ConflictError(f"{folder} is there already; choose another name or --path")
    values = _values(name, template, author.strip(), year)
    texts = dict(_rendered(template, values))
    try:
        for path, text in texts.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConflictError(f"{folder} cannot be written: {error.strerror or error}") from error
    kind, pipeline = TEMPLATES[template], Path(f"{name}.json")
    return Project(
        folder=folder,
        files=tuple(sorted(texts)),
        tasks=tuple(each.format(name=name) for each in kind.tasks),
        example_input=kind.example_input,
        test_more=kind.test_more.format(name=name),
        dev_more=kind.dev_more(name),
        pipeline=pipeline if pipeline in texts else None,
    )


def check_name(name: str) -> None:
    """Refuse a name that no task, or none of a template, can have.

    Raises:
        InvalidValueError: with a name that would do.
    """
    allowed = "allowed are lower-case letters, digits and single _ between them, a letter first"
    if not _NAME.match(name):
        raise InvalidValueError(f"{name!r} is no name for a project; {allowed}{_perhaps(name)}")
    if len(name) > LONGEST_NAME:
        raise InvalidValueError(f"{name!r} is too long; allowed are {LONGEST_NAME} characters")
    if keyword.iskeyword(name) or keyword.issoftkeyword(name) or hasattr(builtins, name):
        raise InvalidValueError(f"{name!r} means something in Python; perhaps 'my_{name}'")
    kind = "Python's standard library" if name in sys.stdlib_module_names else "its dependencies"
    if name in sys.stdlib_module_names | _DEPENDENCIES:
        raise InvalidValueError(
            f"{name!r} is a module of {kind}, which a task of that name would hide; "
            f"perhaps 'my_{name}'"
        )
    if name in _TAKEN:
        raise InvalidValueError(f"{name!r} is used by taskmgr itself; perhaps 'my_{name}'")


def _perhaps(name: str) -> str:
    """A name like it that would do."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    similar = re.sub(r"[^a-z0-9]+", "_", words).strip("_").lstrip("0123456789_")
    return f"; perhaps {similar!r}" if _NAME.match(similar) else ""


def _values(name: str, template: str, author: str, year: int) -> dict[str, str]:
    kind, package = TEMPLATES[template], f"taskmgr_{name}"
    tasks = [each.format(name=name) for each in kind.tasks]
    layout = [*kind.layout, ("tests", "its tests")]
    return {
        "name": name,
        "class_name": "".join(word.capitalize() for word in name.split("_")),
        "package": package,
        "distribution": package.replace("_", "-"),
        "description": kind.description,
        "author": author,
        # A JSON string is a TOML string.
        "author_quoted": json.dumps(author, ensure_ascii=False),
        "year": str(year),
        "entry_points": "\n".join(f'{each} = "{package}"' for each in tasks),
        "example_input": kind.example_input,
        "test_more": kind.test_more.format(name=name),
        "test_cases": "taskmgr test . cases\n" if kind.has_cases else "",
        "dev_more": kind.dev_more(name),
        "publish_more": kind.publish_more.format(name=name),
        "layout": "\n".join(
            f"- `{path.format(name=name, package=package)}`: {what}" for path, what in layout
        ),
        "weights_sha256": hashlib.sha256(
            _templates("ml").joinpath("models", f"weights.json{SUFFIX}").read_bytes()
        ).hexdigest(),
    }


def _rendered(template: str, values: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    for part in ("common", template):
        for path, file in _walk(_templates(part), Path()):
            written = str(path).removesuffix(SUFFIX).replace("gitignore", ".gitignore")
            for key in ("name", "package"):
                written = written.replace(f"__{key}__", values[key])
            yield Path(written), Template(file.read_text(encoding="utf-8")).substitute(values)


def _templates(part: str) -> Traversable:
    return files("taskmgr_core.scaffold").joinpath("templates", part)


def _walk(folder: Traversable, inside: Path) -> Iterator[tuple[Path, Traversable]]:
    for each in folder.iterdir():
        if each.is_dir():
            yield from _walk(each, inside / each.name)
        elif each.name.endswith(SUFFIX):
            yield inside / each.name, each
