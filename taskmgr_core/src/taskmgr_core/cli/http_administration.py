"""What admins and operators do, over the REST API: as the commands do it on this machine.

Their JSON is the same; tables are made from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import attrs
import click

from taskmgr_core.cli.http_documents import (
    Parameters,
    client_of,
    document_of,
    inputs_of,
    show_table,
)
from taskmgr_core.cli.options import check_pin, check_yank

if TYPE_CHECKING:
    from taskmgr_core.api.models.operating import CacheUseView, RolloutView
    from taskmgr_core.api.models.platform import FiringView, ScheduleView
    from taskmgr_core.cli.session import Session

DAY = 86_400.0


def _given(name: str) -> bool:
    """Whether an option was given, and is not what it is by default."""
    source = click.get_current_context().get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


# tokens, workspaces, the audit log


def _new_token(session: Session, given: Parameters) -> None:
    with client_of(session) as client:
        made = client.new_token(
            given["name"],
            given["role"],
            given["workspace"] if _given("workspace") else None,
            seconds=None if given["no_expiry"] else given["days"] * DAY,
            permissions=given["only"] or None,
        )
    if given["as_json"]:
        told = document_of(made)
        session.screen.json({"token": told.pop("token"), **told})
        return
    session.screen.line(made.token)
    ends = f" until {_time(made.expires_at)} UTC" if made.expires_at else ""
    said = f"{made.id} of {made.name}: {made.role} in {made.workspace}{ends}; it is not shown again"
    click.echo(said, err=True)


def _tokens(session: Session, given: Parameters) -> None:
    with client_of(session) as client:
        found = client.tokens()
    if given["as_json"]:
        session.screen.json({"tokens": [document_of(each) for each in found]})
        return
    rows = [
        (
            each.id,
            each.name,
            str(each.role),
            each.workspace,
            " ".join(each.permissions or ()),
            each.state,
            _time(each.expires_at) or "never",
            _time(each.last_used_at),
        )
        for each in found
    ]
    names = ("id", "for", "role", "in", "only", "state", "expires (UTC)", "last used")
    show_table(session.screen, names, rows, "there are no tokens: taskmgr tokens new")


def _revoke_token(session: Session, given: Parameters) -> None:
    with client_of(session) as client:
        revoked = client.revoke_token(given["token"])
    if given["as_json"]:
        session.screen.json(document_of(revoked))
        return
    session.screen.line(f"the token {revoked.id} of {revoked.name} is revoked")


def _new_workspace(session: Session, given: Parameters) -> None:
    with client_of(session) as client:
        made = client.new_workspace(given["name"])
    if given["as_json"]:
        session.screen.json({"name": made.name, "created_at": made.created_at})
        return
    session.screen.line(f"the workspace {made.name} is made")


def _workspaces(session: Session, given: Parameters) -> None:
    with client_of(session) as client:
        found = client.workspaces()
    if given["as_json"]:
        session.screen.json({"workspaces": [document_of(each) for each in found]})
        return
    rows = [
        (
            each.name,
            "is being removed" if each.removing else _time(each.created_at),
            each.created_by,
        )
        for each in found
    ]
    show_table(session.screen, ("workspace", "made", "by"), rows, "no workspaces")


def _remove_workspace(session: Session, given: Parameters) -> None:
    name = given["name"]
    if not given["yes"]:
        click.confirm(
            f"Remove {name} with all its tasks, runs, files and keys, for good?", abort=True
        )
    with client_of(session) as client:
        removed = client.remove_workspace(name)
    if given["as_json"]:
        session.screen.json(document_of(removed))
        return
    revoked = removed.tokens_revoked
    session.screen.line(f"the workspace {name} is removed; {revoked} tokens are revoked")


def _audit(session: Session, given: Parameters) -> None:
    most = 1000  # of one answer
    with client_of(session) as client:
        page = client.audit(given["workspace"], min(given["limit"], most), given["before"])
        lines, following = [*page.lines], page.next
        while following is not None and len(lines) < given["limit"]:
            left = min(given["limit"] - len(lines), most)
            page = client.audit(given["workspace"], left, following)
            lines, following = [*lines, *page.lines], page.next
    if given["as_json"]:
        more = lines[-1].number if lines and len(lines) == given["limit"] else None
        session.screen.json({"lines": [document_of(each) for each in lines], "next": more})
        return
    rows = [
        (
            *(str(each.number), _time(each.at), each.who, each.where, each.workspace),
            *(each.action, each.target, ": ".join(filter(None, (each.outcome, each.note)))),
        )
        for each in lines
    ]
    names = ("", "when (UTC)", "who", "from", "in", "did", "of", "outcome")
    show_table(session.screen, names, rows, "nothing is written down")


# which versions new runs get


def _versions(session: Session, given: Parameters) -> None:
    with client_of(session) as client:
        found = client.rollout(given["task"])
    if given["as_json"]:
        session.screen.json(document_of(found))
        return
    rows = [
        (
            each.version,
            _part(each.percent, pinned=found.pinned),
            each.published_at,
            each.python,
            "" if each.yanked is None else f"yanked: {each.yanked}",
        )
        for each in found.versions
    ]
    show_table(session.screen, ("version", "new runs", "published", "Python", ""), rows, "")


def _diff(session: Session, given: Parameters) -> None:
    with client_of(session) as client:
        found = client.diff(given["task"], given["old"], given["new"])
    if given["as_json"]:
        session.screen.json(document_of(found))
        return
    rows = [
        ("breaking" if each.breaking else "", each.place, each.kind, each.text)
        for each in found.changes
    ]
    nothing = "their inputs, outputs, options and models are the same"
    show_table(session.screen, ("", "what", "", "how"), rows, nothing)


def _rollout(session: Session, given: Parameters) -> None:
    with client_of(session) as client:
        found = client.roll_out(given["task"], given["version"], given["percent"])
    _say(session, found, given)


def _rollback(session: Session, given: Parameters) -> None:
    with client_of(session) as client:
        found = client.roll_back(given["task"])
    _say(session, found, given)


def _pin(session: Session, given: Parameters) -> None:
    check_pin(given["version"], off=given["off"])
    with client_of(session) as client:
        if given["off"]:
            found = client.let_go(given["task"])
        else:
            found = client.pin(given["task"], given["version"])
    _say(session, found, given)


def _yank(session: Session, given: Parameters) -> None:
    check_yank(given["reason"], undo=given["undo"])
    with client_of(session) as client:
        if given["undo"]:
            found = client.take_back_yank(given["task"], given["version"])
        else:
            found = client.yank(given["task"], given["version"], given["reason"])
    _say(session, found, given)


def _say(session: Session, found: RolloutView, given: Parameters) -> None:
    """What new runs get now."""
    if given["as_json"]:
        session.screen.json(document_of(found))
        return
    parts = [(each.version, _part(each.percent, pinned=found.pinned)) for each in found.versions]
    told = ", ".join(f"{version} ({part})" for version, part in parts if part)
    session.screen.line(f"new runs of {found.task} get {told or 'none of its versions'}")


def _part(percent: int, *, pinned: bool) -> str:
    return f"{percent} %{', pinned' * pinned}" if percent else ""


# schedules


def _add_schedule(session: Session, given: Parameters) -> None:
    with client_of(session) as client:
        made = client.add_schedule(
            given["name"],
            given["what"],
            given["cron"],
            inputs_of(client, given["what"], given["inputs"], None),
            zone=given["zone"],
            catch_up=given["catch_up"],
            since=given["since"],
        )
    if given["as_json"]:
        session.screen.json(_schedule(made))
        return
    session.screen.line(f"{made.name} is added; next: {_time(made.next)} UTC")
    click.echo("its times are seen to by: taskmgr scheduler start", err=True)


def _schedules(session: Session, given: Parameters) -> None:
    with client_of(session) as client:
        found = client.schedules()
    if given["as_json"]:
        session.screen.json({"schedules": [_schedule(each) for each in found]})
        return
    rows = [
        (
            *(each.name, each.what, each.cron, each.zone),
            "paused" if each.paused else _time(each.next),
            _time(each.last.at) if each.last else "",
            _outcome(each.last),
        )
        for each in found
    ]
    names = ("name", "runs", "cron", "zone", "next (UTC)", "last (UTC)", "run")
    show_table(session.screen, names, rows, "there are no schedules: taskmgr schedule add")


def _history(session: Session, given: Parameters) -> None:
    with client_of(session) as client:
        found = client.firings(given["name"], min(given["limit"], 1000))
    if given["as_json"]:
        session.screen.json({"firings": [_firing(each) for each in found]})
        return
    rows = [(each.at, _outcome(each), each.fired_at, each.problem or "") for each in found]
    show_table(session.screen, ("for", "run", "fired", "problem"), rows, "it has run nothing")


def _pause(session: Session, given: Parameters) -> None:
    with client_of(session) as client:
        client.pause_schedule(given["name"])
    session.screen.line(f"{given['name']} is paused")


def _resume(session: Session, given: Parameters) -> None:
    with client_of(session) as client:
        found = client.resume_schedule(given["name"])
    session.screen.line(f"{given['name']} goes on; next: {_time(found.next)} UTC")


def _remove_schedule(session: Session, given: Parameters) -> None:
    with client_of(session) as client:
        client.remove_schedule(given["name"])
    session.screen.line(f"{given['name']} is removed")


def _schedule(found: ScheduleView) -> dict[str, Any]:
    told = document_of(attrs.evolve(found, last=None))
    return {**told, "last": None if found.last is None else _firing(found.last)}


def _firing(found: FiringView) -> dict[str, Any]:
    return {
        "scheduled": found.at,
        "run_id": found.run,
        "fired": found.fired_at,
        "submitted": found.submitted,
        "problem": found.problem or "",
    }


def _outcome(found: FiringView | None) -> str:
    if found is None:
        return ""
    if found.problem:
        return "refused"
    return found.run[-8:] if found.submitted else "not submitted"


# limits, cached results


def _limits(session: Session, given: Parameters) -> None:
    with client_of(session) as client:
        found = client.limits()
    if given["as_json"]:
        session.screen.json({"limits": [document_of(each) for each in found]})
        return
    rows = [
        (
            *(each.name, str(each.max or ""), each.rate or "", each.said_by),
            *(str(each.running), str(each.waiting)),
        )
        for each in found
    ]
    names = ("name", "max", "rate", "said by", "running", "waiting")
    show_table(session.screen, names, rows, "there are no limits; see: taskmgr limits set --help")


def _set_limit(session: Session, given: Parameters) -> None:
    with client_of(session) as client:
        said = client.set_limit(given["name"], given["most"] or None, given["rate"] or None)
    if given["as_json"]:
        session.screen.json(document_of(said))
        return
    parts = [f"{said.max} at once" if said.max else "", said.rate or ""]
    session.screen.line(f"{said.name}: {', '.join(filter(None, parts))}")


def _remove_limit(session: Session, given: Parameters) -> None:
    with client_of(session) as client:
        client.remove_limit(given["name"])
    if given["as_json"]:
        session.screen.json({"removed": given["name"]})
        return
    session.screen.line(f"{given['name']}: removed")


def _cache_stats(session: Session, given: Parameters) -> None:
    from taskmgr_core.report.formats import duration, size

    with client_of(session) as client:
        found = client.cache_uses()
    if given["as_json"]:
        session.screen.json({"tasks": [document_of(each) for each in found]})
        return
    rows = [
        (
            *(each.task, str(each.entries), size(each.size_bytes), str(each.hits)),
            duration(each.seconds_saved),
        )
        for each in found
    ]
    nothing = 'nothing is cached; a task asks for it with cache = "by-inputs"'
    show_table(session.screen, ("task", "entries", "size", "hits", "spared"), rows, nothing)


def _clear_cache(session: Session, given: Parameters) -> None:
    from taskmgr_core.report.formats import counted, size

    with client_of(session) as client:
        cleared: list[CacheUseView] = client.clear_cache(given["task"])
    if given["as_json"]:
        session.screen.json({"cleared": [document_of(each) for each in cleared]})
    elif not cleared:
        session.screen.line("nothing was cached")
    else:
        count = sum(each.entries for each in cleared)
        total = sum(each.size_bytes for each in cleared)
        session.screen.line(f"cleared {counted(count, 'result')}, {size(total)}")


def _time(moment: str | None) -> str:
    """A moment of a document to the second, in UTC, for a table."""
    return "" if moment is None else moment[:19].replace("T", " ")


_JSON = frozenset({"as_json"})
# A command's words -> what carries it out, and the parameters that go over HTTP.
COMMANDS: Mapping[str, tuple[Callable[[Session, Parameters], Any], frozenset[str]]] = {
    "tokens new": (
        _new_token,
        _JSON | {"name", "role", "workspace", "only", "days", "no_expiry"},
    ),
    "tokens list": (_tokens, _JSON),
    "tokens revoke": (_revoke_token, _JSON | {"token"}),
    "workspaces new": (_new_workspace, _JSON | {"name"}),
    "workspaces list": (_workspaces, _JSON),
    "workspaces remove": (_remove_workspace, _JSON | {"name", "yes"}),
    "audit list": (_audit, _JSON | {"workspace", "before", "limit"}),
    "versions": (_versions, _JSON | {"task"}),
    "diff": (_diff, _JSON | {"task", "old", "new"}),
    "rollout": (_rollout, _JSON | {"task", "version", "percent"}),
    "rollback": (_rollback, _JSON | {"task"}),
    "pin": (_pin, _JSON | {"task", "version", "off"}),
    "yank": (_yank, _JSON | {"task", "version", "reason", "undo"}),
    "schedule add": (
        _add_schedule,
        _JSON | {"name", "what", "inputs", "cron", "zone", "catch_up", "since"},
    ),
    "schedule list": (_schedules, _JSON),
    "schedule history": (_history, _JSON | {"name", "limit"}),
    "schedule pause": (_pause, frozenset({"name"})),
    "schedule resume": (_resume, frozenset({"name"})),
    "schedule remove": (_remove_schedule, frozenset({"name"})),
    "limits list": (_limits, _JSON),
    "limits set": (_set_limit, _JSON | {"name", "most", "rate"}),
    "limits remove": (_remove_limit, _JSON | {"name"}),
    "cache stats": (_cache_stats, _JSON),
    "cache clear": (_clear_cache, _JSON | {"task"}),
}
