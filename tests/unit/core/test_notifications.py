"""Who is told of what, how often, in which form; and that addresses inside are kept from."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskmgr_core.errors import SettingsError
from taskmgr_core.notification_rules import Channel, read_notifications
from taskmgr_core.notifications.delivery import Delivery
from taskmgr_core.notifications.limiting import Limiter
from taskmgr_core.notifications.messages import body_of, mail_of
from taskmgr_core.notifications.plugin import resolved
from taskmgr_core.notifications.webhook import (
    DeliveryError,
    Webhook,
    allowed_address,
    is_public,
    signature,
)
from taskmgr_plugins.events import Notification

FAILED = Notification(
    "run-failed", "it <failed>", 1_800_000_000.0, run="r1", task="face_detection", code="timeout"
)
LOST = Notification("worker-lost", "lost", 1.0, worker="w1")
OPS = Channel("ops", "webhook", url="https://hooks.example/x")
WEBHOOK = {"type": "webhook", "url": "https://hooks.example/x"}
EMAIL = {"type": "email", "server": "smtp://mail.example", "sender": "a@b.example", "to": ["c@d"]}


# rules


def test_table_is_read_with_what_was_left_out() -> None:
    """What is not said has its default; a list is a tuple, for nothing changes."""
    found = read_notifications({"channels": {"ops": WEBHOOK, "mail": EMAIL}, "repeat": 5}, "file")
    assert found.channels[0] == OPS
    assert found.channels[1].to == ("c@d",)
    assert (found.repeat, found.per_hour) == (5.0, 60)
    assert str(found) == "ops (webhook), mail (email)"


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"type": "pager"}, "channels.ops.type: it must be webhook or email"),
        ({"type": "webhook"}, "channels.ops.url: it is missing"),
        (
            {**WEBHOOK, "kind": ["x"]},
            "ops.kind: unknown for webhook; did you mean 'kinds'",
        ),
        ({**WEBHOOK, "kinds": ["run-fail"]}, "'run-fail': did you mean 'run-failed'"),
        ({**WEBHOOK, "format": "xml"}, "allowed are json, slack"),
        ({**WEBHOOK, "url": "ftp://h/"}, "it must begin with https, http and have a host"),
        ({**WEBHOOK, "url": "http://h/"}, "http sends for everybody to read; use https"),
        ({**WEBHOOK, "names": []}, "it must be a list of texts"),
        ({**WEBHOOK, "private": "yes"}, "it must be true or false"),
        ({**EMAIL, "server": "mail.example"}, "it must begin with smtp, smtps, smtp+plain"),
        ({**EMAIL, "url": "https://h/"}, "channels.ops.url: unknown for email"),
    ],
)
def test_wrong_channel_is_refused_with_its_place(table: dict[str, Any], said: str) -> None:
    """Each fault with what is allowed."""
    with pytest.raises(SettingsError) as refused:
        read_notifications({"channels": {"ops": table}}, "config.toml: notifications")
    assert str(refused.value).startswith("config.toml: notifications: ")
    assert said in str(refused.value)


def test_wrong_address_is_not_repeated() -> None:
    """It may have a password in it, or be a secret by itself."""
    wrong = {**EMAIL, "server": "smpt://user:hush@mail.example"}
    with pytest.raises(SettingsError) as refused:
        read_notifications({"channels": {"ops": wrong}}, "file")
    assert "hush" not in str(refused.value)
    found = read_notifications({"channels": {"o": {**WEBHOOK, "secret": "hush"}}}, "file")
    assert "hush" not in f"{found} {found!r}"
    assert "hooks.example" not in f"{found} {found!r}"


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({}, "slow_runs.long: it says of no run that it is slow; give seconds or times_p95"),
        ({"names": ["face_*"]}, "give seconds or times_p95"),
        ({"seconds": 0}, "slow_runs.long.seconds: 0 must be a number of seconds, more than 0"),
        ({"times_p95": 0.5}, "slow_runs.long.times_p95: 0.5 must be a number, at least 1"),
        ({"seconds": True}, "True must be a number of seconds"),
        ({"second": 5}, "slow_runs.long.second: unknown; did you mean 'seconds'"),
        (60, "slow_runs.long: it must be a table, as {seconds = 60}"),
    ],
)
def test_wrong_rule_of_slow_runs_is_refused_with_its_place(table: Any, said: str) -> None:
    """Each fault with what is allowed."""
    with pytest.raises(SettingsError) as refused:
        read_notifications({"slow_runs": {"long": table}}, "file")
    assert said in str(refused.value)
    with pytest.raises(SettingsError, match=r"as \[notifications\.slow_runs\.faces\]"):
        read_notifications({"slow_runs": [table]}, "file")


@pytest.mark.parametrize(
    ("more", "notification", "wanted"),
    [
        ({}, FAILED, True),
        ({"kinds": ("run-failed",)}, FAILED, True),
        ({"kinds": ("worker-lost",)}, FAILED, False),
        ({"names": ("face_*",)}, FAILED, True),
        ({"names": ("text_*", "video")}, FAILED, False),
        ({"names": ("text_*",)}, LOST, True),
    ],
)
def test_channel_is_told_what_it_wants(
    more: dict[str, Any], notification: Notification, wanted: bool
) -> None:
    """By kind, and by the name of the task or pipeline; a lost worker concerns everybody."""
    assert Channel("ops", "webhook", **more).wants(notification) is wanted


def test_secret_comes_from_a_variable() -> None:
    """A variable that is not set is named, with its place."""
    channel = Channel("ops", "webhook", url="env:HOOK", secret="env:KEY")  # noqa: S106
    found = resolved(channel, {"HOOK": "https://h/", "KEY": "k"})
    assert (found.url, found.secret) == ("https://h/", "k")
    with pytest.raises(SettingsError, match=r"channels\.ops\.secret: .* variable KEY is not set"):
        resolved(channel, {"HOOK": "https://h/"})


# limits


def test_same_is_told_once_in_a_while_and_then_how_often_it_was() -> None:
    """Other things are told meanwhile."""
    limiter = Limiter(repeat=10, per_hour=100)
    assert limiter.decide(FAILED, 0).told
    assert [limiter.decide(FAILED, moment).told for moment in (1, 5, 9.9)] == [False] * 3
    assert limiter.decide(LOST, 5).told
    assert limiter.decide(FAILED, 10).kept_back == 3


@given(st.lists(st.tuples(st.integers(0, 50), st.floats(0, 900)), max_size=60))
def test_no_hour_has_more_than_is_allowed(events: list[tuple[int, float]]) -> None:
    """Whatever happens when."""
    limiter = Limiter(repeat=60, per_hour=5)
    now, told = 0.0, []
    for worker, pause in events:
        now += pause
        if limiter.decide(Notification("worker-lost", "", now, worker=str(worker)), now).told:
            told.append(now)
    for start in told:
        assert sum(start <= each < start + 3600 for each in told) <= 5


# messages


def test_bodies_have_what_is_known() -> None:
    """JSON has all attributes; Slack's form cannot be taken for markup or mentions."""
    assert json.loads(body_of(OPS, FAILED, 2)) == {
        "kind": "run-failed",
        "message": "it <failed>",
        "time": 1_800_000_000.0,
        "run": "r1",
        "step": "",
        "task": "face_detection",
        "worker": "",
        "code": "timeout",
        "kept_back": 2,
    }
    slack = json.loads(body_of(Channel("ops", "webhook", format="slack"), FAILED, 2))
    assert slack["text"] == "*run-failed* it &lt;failed&gt;"
    assert slack["blocks"][0]["text"]["text"] == slack["text"]
    assert "and 2 more" in slack["blocks"][1]["elements"][0]["text"]


def test_mail_cannot_be_given_other_headers() -> None:
    """A name with a line break stays in the subject."""
    evil = Notification("run-failed", "m", 1.0, task="a\r\nBcc: everybody@example.com")
    mail = mail_of(Channel("m", "email", sender="t@x.example", to=("a@x.example",)), evil, 0)
    assert mail["Bcc"] is None
    assert mail["Subject"] == "[taskmgr] run-failed: a Bcc: everybody@example.com"


# webhooks


def test_signature_is_that_of_standard_webhooks() -> None:
    """The HMAC of id, time and body under the key, in base64; the key may be given so, too."""
    key = b"0123456789abcdef"
    expected = hmac.new(key, b'msg_1.1700000000.{"a":1}', hashlib.sha256).digest()
    wanted = "v1," + base64.b64encode(expected).decode()
    assert signature(key.decode(), b'{"a":1}', "msg_1", 1_700_000_000) == wanted
    encoded = "whsec_" + base64.b64encode(key).decode()
    assert signature(encoded, b'{"a":1}', "msg_1", 1_700_000_000) == wanted
    with pytest.raises(DeliveryError, match="no base64"):
        signature("whsec_?", b"", "m", 1)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "0.0.0.0",  # noqa: S104
        "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0",
        "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1",
        "2002:7f00:1::",
    ],
)  # fmt: skip
def test_address_inside_is_no_public_one(address: str) -> None:
    """This machine, private networks, a cloud's metadata, and what is translated into them."""
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34"])
def test_address_of_the_internet_is_a_public_one(address: str) -> None:
    """Of both families."""
    assert is_public(address)


def test_name_that_leads_inside_is_refused_before_anything_is_sent() -> None:
    """It is no matter of how it is written: what it leads to is looked at."""
    for host in ("localhost", "127.1", "0x7f000001", "2130706433"):
        with pytest.raises(DeliveryError, match="no address of the internet; where that is meant"):
            allowed_address(host, 443, private=False)
    assert allowed_address("localhost", 443, private=True)[1] == 443
    with pytest.raises(DeliveryError) as refused:
        Webhook("https://localhost:9/x").send(b"{}", "m", 1)
    assert not refused.value.again


# delivery


def failing(times: int, *, again: bool = True) -> tuple[Callable[[], None], list[float]]:
    """A sender that fails some times, and the moments at which it was asked."""
    moments: list[float] = []

    def send() -> None:
        moments.append(time.monotonic())
        if len(moments) <= times:
            raise DeliveryError("not now", again=again)

    return send, moments


def wait(condition: Callable[[], object]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_delivery_is_tried_again_after_pauses() -> None:
    """Each longer than the one before, and in the order in which things happened."""
    delivery = Delivery("ops", pauses=(0.02, 0.1))
    send, moments = failing(2)
    delivery.put(send, "first")
    last, asked = failing(0)
    delivery.put(last, "second")
    wait(lambda: delivery.delivered == 2)
    assert moments[1] - moments[0] >= 0.015
    assert moments[2] - moments[1] >= 0.075
    assert asked[0] > moments[2]


@pytest.mark.parametrize(("again", "attempts"), [(True, 3), (False, 1)])
def test_delivery_is_given_up_and_counted(again: bool, attempts: int) -> None:
    """After the last pause, or at once where another attempt cannot help."""
    delivery = Delivery("ops", pauses=(0.0, 0.0))
    send, moments = failing(99, again=again)
    delivery.put(send, "it")
    wait(lambda: delivery.dropped == 1)
    assert len(moments) == attempts


def test_what_is_waiting_is_bounded() -> None:
    """What does not fit is dropped and counted, and nobody waits."""
    gate = threading.Event()
    delivery = Delivery("ops", capacity=2)

    def hold() -> None:
        gate.wait()

    assert [delivery.put(hold, "it") for _ in range(3)] == [True, True, False]
    assert delivery.dropped == 1
    gate.set()
    delivery.close(5)
    assert delivery.delivered == 2


def test_end_of_the_process_does_not_wait_for_the_next_pause() -> None:
    """What is waiting is tried once more at once, and given up."""
    delivery = Delivery("ops", pauses=(60.0,))
    send, moments = failing(1)
    delivery.put(send, "it")
    wait(lambda: moments)
    began = time.monotonic()
    delivery.close(5)
    assert time.monotonic() - began < 4
    assert (len(moments), delivery.delivered) == (2, 1)
