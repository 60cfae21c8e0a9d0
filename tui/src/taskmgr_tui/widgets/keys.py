"""The line with the keys at the bottom."""

from __future__ import annotations

from textual.screen import Screen
from textual.widgets import Footer


class Keys(Footer):
    """The keys of what is seen, made anew where they are others.

    Textual's own makes all its parts anew whenever the focus moves, which is what a key waits for.
    """

    _made_of: tuple[tuple[str, str, bool], ...] = ()

    def bindings_changed(self, screen: Screen[object]) -> None:
        """Make them anew where that shows."""
        seen = self.is_attached and screen is self.screen and screen.app.app_focus
        now = _shown(screen) if seen else self._made_of
        if not seen or now != self._made_of:
            self._made_of = now
            super().bindings_changed(screen)


def _shown(screen: Screen[object]) -> tuple[tuple[str, str, bool], ...]:
    return tuple(
        (each.binding.key, each.binding.description, each.enabled)
        for each in screen.active_bindings.values()
        if each.binding.show
    )
