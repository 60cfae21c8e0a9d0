"""The page on contracts has what there is: each contract, each claim, each with what to do."""

import ast

import attrs
from doc_pages import DOCS
from doc_tables import code, rows

from taskmgr_core.testing.contract import names
from taskmgr_core.testing.contract.project import SAMPLES, Claims

PAGE = DOCS / "how-to" / "check-a-plugin-against-the-contract.md"


def test_contract_is_documented_with_what_to_do() -> None:
    """The table has each contract in its order, what is checked, and what to do when it fails."""
    found = rows(PAGE, "The contracts")
    assert [code(row[0]) for row in found] == [*names.PLUGIN_CONTRACTS, *names.TASK_CONTRACTS]
    assert [row[0] for row in found if len(row) != 3 or not all(row)] == []


def test_claim_is_documented_with_its_default() -> None:
    """The table has each claim in its order, with the default that is in force."""
    shown = [
        (code(row[0]), ast.literal_eval(code(row[1])))
        for row in rows(PAGE, "Claim what your task does")
    ]
    claims = [(each.name, each.default) for each in attrs.fields(Claims)]
    assert shown == [*claims, ("samples", SAMPLES)]
