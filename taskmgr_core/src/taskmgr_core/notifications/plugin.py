"""The hook plugin ``notifications``: passes notifications on to the channels that want them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import attrs
import uuid_utils

from taskmgr_core.errors import SettingsError
from taskmgr_core.notification_rules import FROM_VARIABLE, Channel, Notifications
from taskmgr_core.notifications.delivery import Delivery
from taskmgr_core.notifications.limiting import Limiter
from taskmgr_core.notifications.mail import MailServer
from taskmgr_core.notifications.messages import body_of, mail_of
from taskmgr_core.notifications.webhook import Webhook
from taskmgr_plugins import hookimpl
from taskmgr_plugins.events import Notification


class Notifier:
    """Tells the channels; nobody waits for it.

    Arguments:
        rules: who is told of what.
        environ: where secrets are that the settings name by a variable.
        clock: monotonic seconds.

    Raises:
        SettingsError: a variable is not set.
    """

    def __init__(
        self,
        rules: Notifications,
        environ: Mapping[str, str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._channels = [
            (resolved(each, environ), Limiter(rules.repeat, rules.per_hour), Delivery(each.name))
            for each in rules.channels
        ]

    @hookimpl
    def taskmgr_notify(self, notification: Notification) -> None:
        """Pass it on to every channel that wants it, within its limits."""
        for channel, limiter, delivery in self._channels:
            if not channel.wants(notification):
                continue
            decision = limiter.decide(notification, self._clock())
            if decision.told:
                send = sender(channel, notification, decision.kept_back)
                delivery.put(send, f"{notification.kind} {notification.run}".strip())

    @hookimpl
    def taskmgr_close(self, seconds: float) -> None:
        """Deliver what is waiting, while there is time."""
        deadline = time.monotonic() + seconds
        for _, _, delivery in self._channels:
            delivery.close(deadline - time.monotonic())


def resolved(channel: Channel, environ: Mapping[str, str]) -> Channel:
    """A channel with the secrets that the settings name by a variable.

    Raises:
        SettingsError: the variable is not set.
    """
    found: dict[str, Any] = {}
    for name in ("url", "secret", "server"):
        value = getattr(channel, name)
        if not value.startswith(FROM_VARIABLE):
            continue
        variable = value.removeprefix(FROM_VARIABLE)
        if not environ.get(variable):
            raise SettingsError(
                f"notifications.channels.{channel.name}.{name}: the environment variable "
                f"{variable} is not set; set it where taskmgr and its workers are started"
            )
        found[name] = environ[variable]
    return attrs.evolve(channel, **found)


def sender(channel: Channel, notification: Notification, kept_back: int = 0) -> Callable[[], None]:
    """What sends a notification once; each attempt has the same id.

    Arguments:
        channel: as ``resolved`` gives it.
        notification: what happened.
        kept_back: how many were not told before it.

    Returns:
        Raises ``DeliveryError`` where it was not taken.
    """
    if channel.type == "email":
        server = MailServer(channel.server)
        return partial(server.send, mail_of(channel, notification, kept_back))
    webhook = Webhook(channel.url, channel.secret, channel.private)
    body, message_id = body_of(channel, notification, kept_back), f"msg_{uuid_utils.uuid7()}"
    return lambda: webhook.send(body, message_id, int(time.time()))
