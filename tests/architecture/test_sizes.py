"""Modules and functions that a reader can hold in the head."""

import ast

from sources import functions, package_sources, suite_sources

MODULE_LINES = 500
FUNCTION_LINES = 60


def test_modules_are_short_enough() -> None:
    """No module is longer than 500 lines."""
    long = [
        f"{source.name}: {length} lines"
        for source in [*package_sources(), *suite_sources()]
        if (length := len(source.text.splitlines())) > MODULE_LINES
    ]
    assert long == []


def test_functions_are_short_enough() -> None:
    """No function is longer than 60 lines, its docstring included."""
    long = [
        f"{source.name}:{node.lineno} {node.name}: {length} lines"
        for source in [*package_sources(), *suite_sources()]
        for node in functions(source.tree)
        if (length := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES
    ]
    assert long == []


def test_libraries_do_not_print() -> None:
    """No module of the packages writes with print: stdout belongs to whoever called."""
    printing = [
        f"{source.name}:{node.lineno}"
        for source in package_sources()
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "print"
    ]
    assert printing == []
