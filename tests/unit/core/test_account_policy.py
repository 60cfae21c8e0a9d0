"""Who may do what: roles, principals, and when a server may answer without accounts."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskmgr_core.accounts.interface import LOCAL, Principal
from taskmgr_core.accounts.opening import fault_without_accounts
from taskmgr_core.accounts.policy import (
    allowed,
    least_role,
    permission_named,
    permissions_of,
    role_named,
)
from taskmgr_core.errors import InvalidValueError
from taskmgr_core.specs.accounts import ALL_WORKSPACES, DEFAULT_WORKSPACE, Permission, Role

# Written out once more: whoever changes the table has to mean it.
MATRIX = {
    Role.VIEWER: {"read"},
    Role.OPERATOR: {"read", "run", "operate"},
    Role.PUBLISHER: {"read", "run", "operate", "publish"},
    Role.ADMIN: {"read", "run", "operate", "publish", "administer"},
}
ROLES = st.sampled_from(Role)
PERMISSIONS = st.sampled_from(Permission)
NAMES = st.sampled_from(["red", "blue", DEFAULT_WORKSPACE])


@pytest.mark.parametrize("role", Role)
def test_role_has_its_permissions(role: Role) -> None:
    """Each role may do what the documented table says, and nothing else."""
    assert {each for each in Permission if allowed(role, each)} == MATRIX[role]
    assert permissions_of(role) == MATRIX[role]


def test_each_role_may_do_more_than_the_one_before() -> None:
    """The roles are in order, and the last one may do everything."""
    for lower, higher in itertools.pairwise(Role):
        assert permissions_of(lower) < permissions_of(higher)
    assert permissions_of(Role.ADMIN) == set(Permission)


@given(PERMISSIONS)
def test_least_role_has_it_and_none_below(permission: Permission) -> None:
    """The role that a denial tells to ask for is the lowest that would do."""
    least = least_role(permission)
    assert allowed(least, permission)
    assert not any(allowed(role, permission) for role in list(Role)[: list(Role).index(least)])


def test_unknown_role_and_permission_are_told_the_nearest() -> None:
    """A misspelt name is refused with what was meant."""
    assert (role_named("admin"), permission_named("run")) == (Role.ADMIN, Permission.RUN)
    with pytest.raises(InvalidValueError, match=r"'viewr'.*viewer"):
        role_named("viewr")
    with pytest.raises(InvalidValueError, match=r"'reed'.*read"):
        permission_named("reed")


@given(ROLES, PERMISSIONS, st.none() | st.frozensets(PERMISSIONS))
def test_narrowed_principal_may_do_no_more_than_both_say(
    role: Role, permission: Permission, kept: frozenset[Permission] | None
) -> None:
    """A permission holds where the role has it and the token was left it."""
    principal = Principal("ada", role, "red", "1", kept)
    wanted = permission in MATRIX[role] and (kept is None or permission in kept)
    assert principal.may(permission) == wanted


@given(NAMES | st.just(ALL_WORKSPACES), st.none() | NAMES)
def test_principal_enters_its_own_workspace_only(own: str, wanted: str | None) -> None:
    """One of the platform enters every one; nobody comes out with another than was asked for."""
    principal = Principal("ada", Role.VIEWER, own, "1")
    entered = principal.entering(wanted)
    if own == ALL_WORKSPACES:
        assert entered is not None
        assert entered.workspace == (wanted or DEFAULT_WORKSPACE)
    elif wanted in (None, own):
        assert entered == principal
    else:
        assert entered is None


def test_entering_all_workspaces_at_once_is_for_the_platform_alone() -> None:
    """Who is of one workspace cannot name ``*`` to get at the others."""
    assert Principal("ada", Role.ADMIN, "red", "1").entering(ALL_WORKSPACES) is None


def test_user_of_the_machine_may_do_everything() -> None:
    """Without accounts everybody who comes is an admin of the platform."""
    assert all(LOCAL.may(each) for each in Permission)
    assert LOCAL.is_of_the_platform


@pytest.mark.parametrize(
    ("loopback", "embedded", "said"),
    [
        (True, True, ""),
        (False, True, "listen at 127.0.0.1"),
        (True, False, "every user of this machine"),
        (False, False, "listen at 127.0.0.1"),
    ],
)
def test_accounts_are_off_only_on_loopback_and_embedded(
    loopback: bool, embedded: bool, said: str
) -> None:
    """Where others could come, or a team's servers are behind, leaving them off is refused."""
    fault = fault_without_accounts(loopback=loopback, embedded=embedded)
    assert said in fault
    assert bool(fault) == bool(said)
