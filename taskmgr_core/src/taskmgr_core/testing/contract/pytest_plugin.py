"""The option ``--taskmgr-contract`` of pytest; nothing of taskmgr is imported until it is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from taskmgr_core.testing.contract.items import Contracts

_CONTRACTS: pytest.StashKey[Contracts] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Know the option."""
    parser.getgroup("taskmgr").addoption(
        "--taskmgr-contract",
        nargs="?",
        const="",
        metavar="PATH",
        help="check the contracts of the plugin project that the working folder is in, or of the "
        "one in PATH; its own tests run as well where paths are given",
    )


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Read the project, before anything is collected."""
    given = config.getoption("--taskmgr-contract")
    if given is None:
        return
    from taskmgr_core.testing.contract.items import Contracts

    config.stash[_CONTRACTS] = Contracts.find(given, config.invocation_params.dir)
    if config.args_source != pytest.Config.ArgsSource.ARGS:
        config.args = []


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Add an item for each contract, and for each task where it is one of tasks."""
    contracts = session.config.stash.get(_CONTRACTS, None)
    if contracts is not None:
        items.extend(contracts.items(session))


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the runners, and remove the virtualenv."""
    contracts = config.stash.get(_CONTRACTS, None)
    if contracts is not None:
        contracts.close()
