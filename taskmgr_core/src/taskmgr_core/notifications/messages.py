"""What a channel is sent: JSON, a message for Slack and its like, an e-mail."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid

import attrs

from taskmgr_core.notification_rules import Channel
from taskmgr_plugins.events import Notification

_SUBJECT_CHARACTERS = 150
# What a message of Slack may have; the rest is told by `taskmgr show`.
_SLACK_CHARACTERS = 2_500
_SLACK_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def body_of(channel: Channel, notification: Notification, kept_back: int) -> bytes:
    """The body of a webhook.

    Arguments:
        channel: whose format it is.
        notification: what happened.
        kept_back: how many were not told before it.
    """
    document = (
        _slack(notification, kept_back)
        if channel.format == "slack"
        else {**attrs.asdict(notification), "kept_back": kept_back}
    )
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "backslashreplace")


def mail_of(channel: Channel, notification: Notification, kept_back: int) -> EmailMessage:
    """An e-mail; arguments as in ``body_of``."""
    mail = EmailMessage()
    mail["From"] = channel.sender
    mail["To"] = ", ".join(channel.to)
    mail["Subject"] = _subject(notification)
    mail["Date"] = format_datetime(datetime.fromtimestamp(notification.time, UTC))
    mail["Message-ID"] = make_msgid(domain="taskmgr.invalid")
    # So that nobody's holiday answers a program.
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(f"{_utf8(notification.message)}\n\n{_facts(notification, kept_back)}")
    return mail


def _slack(notification: Notification, kept_back: int) -> dict[str, object]:
    """Slack's form, which Mattermost, Rocket.Chat and Discord (with /slack) take, too."""
    message = notification.message[:_SLACK_CHARACTERS].translate(_SLACK_ESCAPES)
    facts = _facts(notification, kept_back).translate(_SLACK_ESCAPES)
    text = f"*{notification.kind}* {message}"
    return {
        "text": text,
        "blocks": [
            {"type": "section", "text": {"type": "mrkdwn", "text": text}},
            {"type": "context", "elements": [{"type": "plain_text", "text": facts}]},
        ],
    }


def _subject(notification: Notification) -> str:
    about = notification.task or notification.worker
    line = f"[taskmgr] {notification.kind}" + (f": {about}" if about else "")
    # A line break would end the header, and what follows be another one.
    return " ".join(_utf8(line).split())[:_SUBJECT_CHARACTERS]


def _facts(notification: Notification, kept_back: int) -> str:
    named = {
        name: value
        for name in ("run", "step", "task", "worker", "code")
        if (value := getattr(notification, name))
    }
    lines = [f"{name}: {_utf8(value)}" for name, value in named.items()]
    if notification.run:
        lines.append(f"see: taskmgr show {notification.run}")
    if kept_back:
        lines.append(f"and {kept_back} more that were not told")
    return "\n".join(lines) or f"kind: {notification.kind}"


def _utf8(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
