"""Which role may do what: pure, one table."""

from __future__ import annotations

from collections.abc import Mapping

from taskmgr_core.errors import InvalidValueError, nearest
from taskmgr_core.specs.accounts import Permission, Role

__all__ = [
    "Permission",
    "Role",
    "allowed",
    "least_role",
    "permission_named",
    "permissions_of",
    "role_named",
]

_ADDED: Mapping[Role, frozenset[Permission]] = {
    Role.VIEWER: frozenset({Permission.READ}),
    Role.OPERATOR: frozenset({Permission.RUN, Permission.OPERATE}),
    Role.PUBLISHER: frozenset({Permission.PUBLISH}),
    Role.ADMIN: frozenset({Permission.ADMINISTER}),
}
_ROLES = tuple(Role)
_PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    role: frozenset().union(*(_ADDED[each] for each in _ROLES[: place + 1]))
    for place, role in enumerate(_ROLES)
}


def permissions_of(role: Role) -> frozenset[Permission]:
    """All that a role may do."""
    return _PERMISSIONS[role]


def allowed(role: Role, permission: Permission) -> bool:
    """Whether a role has a permission."""
    return permission in _PERMISSIONS[role]


def least_role(permission: Permission) -> Role:
    """The lowest role that has a permission."""
    return next(role for role in _ROLES if allowed(role, permission))


def role_named(text: str) -> Role:
    """A role.

    Raises:
        InvalidValueError: there is none of that name.
    """
    try:
        return Role(text)
    except ValueError:
        raise InvalidValueError(f"no role {text!r}; {nearest(text, _ROLES)}") from None


def permission_named(text: str) -> Permission:
    """A permission.

    Raises:
        InvalidValueError: there is none of that name.
    """
    try:
        return Permission(text)
    except ValueError:
        raise InvalidValueError(f"no permission {text!r}; {nearest(text, Permission)}") from None
