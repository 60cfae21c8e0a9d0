"""Everything public says what it is for."""

import ast
from collections.abc import Iterator

from sources import Definition, Source, definitions, package_sources, suite_sources


def is_public(name: str, node: Definition) -> bool:
    """Whether readers of the package meet it under its name."""
    decorators = {ast.unparse(each).split(".")[-1] for each in node.decorator_list}
    hidden = any(part.startswith("_") for part in name.split("."))
    return not hidden and not decorators & {"overload", "setter"}


def undocumented(source: Source) -> Iterator[str]:
    """The public names of a module that have no docstring."""
    tree = source.tree
    if source.text.strip() and not ast.get_docstring(tree):
        yield source.name
    for name, node in definitions(tree):
        if is_public(name, node) and not ast.get_docstring(node):
            yield f"{source.name}:{node.lineno} {name}"


def test_public_names_have_docstrings() -> None:
    """Every public module, class, function and method of the packages has a docstring."""
    assert [name for source in package_sources() for name in undocumented(source)] == []


def test_tests_state_their_claim() -> None:
    """Every test has a docstring of one line, which is the claim that it checks."""
    silent = [
        f"{source.name}:{node.lineno} {name}"
        for source in suite_sources()
        for name, node in definitions(source.tree)
        if name.startswith("test_") and len((ast.get_docstring(node) or "").splitlines()) != 1
    ]
    assert silent == []
