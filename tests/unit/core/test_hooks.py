"""Hook plugins are found, called, kept apart and counted; nobody waits for them."""

from __future__ import annotations

import logging
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hook_plugins import Site, site, state_of, wait_for
from taskmgr_core.hooks import Choice, Hooks
from taskmgr_core.hooks.mailbox import Mailbox

__all__ = ["site"]

NOTIFY = "taskmgr_notify"
KEEPS = """
heard = []

@hookimpl
def taskmgr_notify(notification):
    heard.append(notification)
"""


def heard(module: str) -> list[object]:
    """What a plugin that keeps what it is told has kept."""
    return list(getattr(sys.modules.get(module), "heard", ()))


def test_plugin_is_told_in_the_order_of_the_events(site: Site) -> None:
    """Whatever was told before the end arrives, in order, and is counted."""
    module = site.install("acme", KEEPS)
    hooks = site.hooks()
    for number in range(50):
        hooks.tell(NOTIFY, partial(int, number))
    hooks.close()
    assert heard(module) == list(range(50))
    state = state_of(hooks, "acme")
    assert (state.state, state.called, state.failed, state.dropped) == ("ok", 50, 0, 0)
    assert (state.source, state.hooks) == ("acme-dist 2.1", (NOTIFY,))


def test_object_and_class_can_be_plugins(site: Site) -> None:
    """An entry point may name an object, or a class of which one is made."""
    code = """
    class Plugin:
        def __init__(self):
            self.made = True

        @hookimpl
        def taskmgr_check_publish(self, publication):
            return [f"{self.made} {publication}"]

    plugin = Plugin()
    """
    site.install("one", code, entry="{}:plugin")
    site.install("two", code, entry="{}:Plugin")
    answers = site.hooks().ask("taskmgr_check_publish", "this")
    assert [(each.plugin, each.given) for each in answers] == [
        ("one", (["True this"],)),
        ("two", (["True this"],)),
    ]


def test_nothing_is_imported_before_something_is_told(site: Site) -> None:
    """Making hooks, and asking how they are, imports no plugin and starts no thread."""
    module = site.install("acme", KEEPS)
    before = threading.active_count()
    hooks = site.hooks()
    assert hooks.states() == ()
    assert hooks.reported() == ()
    assert module not in sys.modules
    assert threading.active_count() == before


def test_event_that_nobody_wants_is_not_made(site: Site) -> None:
    """What no plugin implements is not even made, and soon not handed on."""
    site.install("acme", KEEPS)
    hooks = site.hooks()
    made: list[str] = []
    hooks.tell("taskmgr_run_ended", lambda: made.append("run"))
    hooks.tell(NOTIFY, lambda: made.append("note"))
    wait_for(lambda: made, "the notification is made")
    assert made == ["note"]
    assert not hooks.wants("taskmgr_run_ended")
    assert hooks.wants(NOTIFY)


# broken plugins


@pytest.mark.parametrize(
    ("code", "entry", "said"),
    [
        ("1/0", "", "ZeroDivisionError"),
        ("import sys; sys.exit(3)", "", "SystemExit: 3"),
        ("import no_such_module_here", "", "No module named 'no_such_module_here'"),
        ("", "{}:absent", "has no attribute 'absent'"),
        (
            "@hookimpl\ndef taskmgr_notify(notfication): pass",
            "",
            "it is declared as taskmgr_notify(notification)",
        ),
    ],
)
def test_broken_plugin_is_named_once_and_takes_nothing_from_others(
    site: Site, caplog: pytest.LogCaptureFixture, code: str, entry: str, said: str
) -> None:
    """One that cannot be imported, or fits no hook, is logged once; the others are told."""
    site.install("bad", code, entry=entry)
    good = site.install("good", KEEPS)
    hooks = site.hooks()
    for number in range(3):
        hooks.tell(NOTIFY, partial(int, number))
    hooks.close()
    assert heard(good) == [0, 1, 2]
    state = state_of(hooks, "bad")
    assert state.state == "broken"
    assert said in state.message
    named = [each for each in caplog.records if "hook plugin bad (bad-dist 2.1)" in each.message]
    assert len(named) == 1


def test_plugin_that_raises_is_named_once_with_the_place(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """Each call that raises is counted, one is logged with file and line; it is told further."""
    module = site.install("bad", "@hookimpl\ndef taskmgr_notify(notification): raise SystemExit(1)")
    good = site.install("good", KEEPS)
    hooks = site.hooks()
    for number in range(3):
        hooks.tell(NOTIFY, partial(int, number))
    hooks.close()
    assert heard(good) == [0, 1, 2]
    state = state_of(hooks, "bad")
    assert (state.state, state.failed, state.called) == ("failing", 3, 0)
    assert f"taskmgr_notify raised SystemExit: 1 ({site.folder / module}.py:4)" in state.message
    assert sum("hook plugin bad" in each.message for each in caplog.records) == 1


def test_hook_of_a_newer_taskmgr_is_left_out_and_said(site: Site) -> None:
    """A name that is no hook here is not called; what else the plugin implements is."""
    module = site.install("acme", KEEPS + "\n@hookimpl\ndef taskmgr_notifies(x): pass\n")
    hooks = site.hooks()
    hooks.tell(NOTIFY, lambda: "this")
    hooks.close()
    assert heard(module) == ["this"]
    assert "taskmgr_notifies is no hook of this taskmgr" in state_of(hooks, "acme").message
    assert "did you mean 'taskmgr_notify'?" in state_of(hooks, "acme").message


def test_two_plugins_of_one_name_are_told_apart(site: Site) -> None:
    """The second is broken, and says that its name is taken."""
    site.install("acme", KEEPS)
    site.install("acme", KEEPS)
    first, second = site.hooks().states(load=True)
    assert (first.state, second.state) == ("ok", "broken")
    assert "another plugin has its name" in second.message


# slow plugins

HANGS = """
gate = threading.Event()
heard = []

@hookimpl
def taskmgr_notify(notification):
    heard.append(notification)
    gate.wait(30)
"""


def test_hanging_plugin_delays_nobody_and_what_it_misses_is_counted(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """Telling takes no time, others hear all; once it is done it is told again."""
    slow, good = site.install("slow", HANGS), site.install("good", KEEPS)
    hooks = site.hooks(seconds=1)
    hooks.tell(NOTIFY, lambda: 0)
    wait_for(lambda: heard(good) and heard(slow), "both are told")
    wait_for(lambda: state_of(hooks, "slow").state == "hanging", "it hangs")
    started = time.perf_counter()
    for number in range(1, 51):
        hooks.tell(NOTIFY, partial(int, number))
    assert time.perf_counter() - started < 0.1
    wait_for(lambda: len(heard(good)) == 51, "the other hears all")
    wait_for(lambda: state_of(hooks, "slow").dropped == 50, "the slow one misses all")
    assert "taskmgr_notify has not come back within 1 s" in state_of(hooks, "slow").message
    assert sum("hook plugin slow" in each.message for each in caplog.records) == 1
    sys.modules[slow].gate.set()
    wait_for(lambda: state_of(hooks, "slow").called == 1, "the call comes back")
    hooks.tell(NOTIFY, lambda: "again")
    wait_for(lambda: heard(slow) == [0, "again"], "it is told again")


def test_plugin_that_cannot_keep_up_loses_what_its_queue_does_not_hold(site: Site) -> None:
    """No more than the capacity waits for it; the rest is dropped and counted."""
    slow = site.install("slow", HANGS)
    hooks = site.hooks(seconds=20, capacity=5)
    hooks.tell(NOTIFY, lambda: 0)
    wait_for(lambda: heard(slow), "it is in the middle of a call")
    for number in range(1, 8):
        hooks.tell(NOTIFY, partial(int, number))
        wait_for(lambda: not len(hooks._incoming), "it is handed out")
    wait_for(lambda: state_of(hooks, "slow").dropped == 2, "two are dropped")
    sys.modules[slow].gate.set()
    wait_for(lambda: heard(slow) == [0, 1, 2, 3, 4, 5], "it hears what was waiting")
    assert not state_of(hooks, "slow").is_well


def test_event_that_is_slow_to_make_costs_those_behind_it_and_no_caller(site: Site) -> None:
    """While the store does not answer telling takes no time, and what is lost is counted."""
    module = site.install("acme", KEEPS)
    hooks = site.hooks(capacity=3)
    hooks.tell(NOTIFY, partial(int, 0))
    wait_for(lambda: heard(module) == [0], "all is loaded")
    gate, begun = threading.Event(), threading.Event()

    def slow() -> int:
        begun.set()
        gate.wait(30)
        return 1

    hooks.tell(NOTIFY, slow)
    assert begun.wait(10)
    for number in range(2, 7):
        hooks.tell(NOTIFY, partial(int, number))
    assert state_of(hooks, "acme").dropped == 2
    gate.set()
    wait_for(
        lambda: len(heard(module)) + state_of(hooks, "acme").dropped == 7,
        "each of the others is told or counted",
    )
    assert heard(module)[:2] == [0, 1]


def test_plugin_that_hangs_in_its_import_is_given_up_and_comes_back(site: Site) -> None:
    """The others are told without it; when its import ends it hears what comes then."""
    site.folder.joinpath("open").unlink(missing_ok=True)
    wait = f"import os\nwhile not os.path.exists({str(site.folder / 'open')!r}): time.sleep(0.01)\n"
    slow = site.install("slow", wait + KEEPS)
    good = site.install("good", KEEPS)
    hooks = site.hooks(seconds=1)
    hooks.tell(NOTIFY, lambda: 1)
    wait_for(lambda: heard(good), "the other is told")
    wait_for(lambda: state_of(hooks, "slow").state == "hanging", "it hangs")
    assert "its import has not come back" in state_of(hooks, "slow").message
    (site.folder / "open").touch()
    wait_for(lambda: state_of(hooks, "slow").state == "ok", "it is loaded")
    hooks.tell(NOTIFY, lambda: 2)
    wait_for(lambda: heard(slow) == [2], "it is told")


def test_end_does_not_wait_longer_than_a_call_may_take(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """What hangs is given up, by name."""
    slow = site.install("slow", HANGS)
    hooks = site.hooks(seconds=1)
    hooks.tell(NOTIFY, lambda: 0)
    wait_for(lambda: heard(slow), "it is in the middle of a call")
    started = time.perf_counter()
    hooks.close()
    assert time.perf_counter() - started < 10
    assert "hook plugin slow (slow-dist 2.1) is given up" in caplog.text
    sys.modules[slow].gate.set()


def test_event_that_cannot_be_made_is_left_out(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """A store that is away costs its event, and no other."""
    module = site.install("acme", KEEPS)
    hooks = site.hooks()

    def away() -> object:
        raise ConnectionError("the store is away")

    hooks.tell(NOTIFY, away)
    hooks.tell(NOTIFY, lambda: 2)
    hooks.close()
    assert heard(module) == [2]
    assert "nobody is told of taskmgr_notify: ConnectionError: the store is away" in caplog.text


# asking


def test_those_who_are_asked_answer_side_by_side(site: Site) -> None:
    """All answers come, with the name of who gave them; who raises or hangs is among them."""
    check = "@hookimpl\ndef taskmgr_check_publish(publication):\n    "
    site.install("a", check + "return ['no']")
    site.install("b", check + "1/0")
    site.install("c", check + "time.sleep(3)")
    site.install("d", "import no_such_module_here")
    site.install("e", KEEPS)
    hooks = site.hooks(seconds=1)
    answers = {each.plugin: each for each in hooks.ask("taskmgr_check_publish", None)}
    assert list(answers) == ["a", "b", "c", "d"]
    assert answers["a"].given == (["no"],)
    assert "raised ZeroDivisionError" in answers["b"].problem
    assert "was not done within 1 s" in answers["c"].problem
    assert "no_such_module_here" in answers["d"].problem


# the setting


@pytest.mark.parametrize(
    ("text", "used"),
    [
        ("all", {"log", "acme", "audit"}),
        ("none", set()),
        ("acme", {"log", "acme"}),
        ("acme,-log", {"acme"}),
        ("-acme", {"log", "audit"}),
        ("all, -acme, -log", {"audit"}),
        ("acme,audit,-audit", {"log", "acme"}),
    ],
)
def test_setting_says_which_are_used(text: str, used: set[str]) -> None:
    """Names allow, a name with a minus leaves out; ours goes only by name, or with all."""
    choice = Choice.of(text)
    found = {each for each in ("acme", "audit") if choice.allows(each)}
    assert found | {each for each in ("log",) if choice.allows(each, own=True)} == used


@given(st.text(max_size=12))
def test_setting_is_read_or_refused_with_what_is_allowed(text: str) -> None:
    """Any text is a choice, or refused with a message that says what one looks like."""
    wrong = None
    try:
        choice = Choice.of(text)
    except ValueError as error:
        wrong = str(error)
        choice = Choice()
    assert wrong is None or "allowed are" in wrong or "stands alone" in wrong
    assert all(each and not each.startswith("-") for each in choice.named)


def test_plugin_that_is_left_out_is_never_imported(site: Site) -> None:
    """It is listed as off, and its module stays where it is."""
    module = site.install("acme", KEEPS)
    hooks = site.hooks("-acme,-absent")
    hooks.tell(NOTIFY, lambda: 1)
    assert state_of(hooks, "acme").state == "off"
    assert hooks.not_installed() == ("absent",)
    assert hooks.ask("taskmgr_check_publish", None) == []
    assert module not in sys.modules


# the mailbox


@given(st.integers(1, 5), st.lists(st.booleans(), max_size=30))
def test_mailbox_holds_no_more_than_it_may_and_keeps_the_order(
    capacity: int, puts: list[bool]
) -> None:
    """What was taken in comes out once, in order; what did not fit was refused."""
    box: Mailbox[int] = Mailbox(capacity)
    inside: list[int] = []
    for number, put in enumerate(puts):
        if put:
            assert box.put(number) == (len(inside) < capacity)
            inside = [*inside, number][:capacity]
        elif inside:
            assert box.take() == inside.pop(0)
    box.close()
    assert not box.put(99)
    assert [box.take() for _ in inside] == inside
    assert box.take() is None


def test_damaged_metadata_of_a_distribution_stops_nobody(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """Where the installed plugins cannot be listed there are none, and it is said."""

    def broken(**_: object) -> object:
        raise OSError("damaged")

    monkeypatch.setattr("importlib.metadata.entry_points", broken)
    with caplog.at_level(logging.WARNING):
        hooks = Hooks()
        assert hooks.states(load=True) == ()
    assert "the installed plugins cannot be listed" in caplog.text


CLOSES = """
heard = []

@hookimpl
def taskmgr_notify(notification):
    time.sleep(0.05)
    heard.append(notification)

@hookimpl
def taskmgr_close(seconds):
    heard.append(seconds)
"""


def test_plugin_is_told_of_the_end_after_all_else(site: Site) -> None:
    """Once, as the last call, with the seconds that are left; one that was told nothing is not."""
    module, idle = site.install("acme", CLOSES), site.install("idle", CLOSES)
    hooks = site.hooks(seconds=5, choice="acme")
    for each in ("a", "b"):
        hooks.tell(NOTIFY, partial(str, each))
    hooks.close()
    *told, seconds = heard(module)
    assert told == ["a", "b"]
    assert isinstance(seconds, float)
    assert 3 < seconds < 5
    untold = site.hooks(choice="idle")
    untold.close()
    assert heard(idle) == []
