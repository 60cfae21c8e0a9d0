"""Text on pictures: the font, and what it can write."""

from __future__ import annotations

import unicodedata
from typing import cast

import attrs
from PIL import ImageFont

from taskmgr_core.report.formats import ELLIPSIS, shortened

# Tried in turn for what the bundled font cannot write; whether they are there is up to the machine.
_SYSTEM_FONTS = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "NotoSansCJK-Regular.ttc",
    "Arial Unicode.ttf",
    "segoeui.ttf",
    "msyh.ttc",
)
_NO_CHARACTER = "\U0010fffe"
# Dashes, quotation marks and the like, by code point, as plain characters near to them.
_PLAIN = (
    dict.fromkeys((*range(0x2010, 0x2016), 0x2212), "-")
    | dict.fromkeys(range(0x2018, 0x201C), "'")
    | dict.fromkeys(range(0x201C, 0x2020), '"')
    | dict.fromkeys((0xA0, 0x2009, 0x202F), " ")
    | {0xD7: "x", 0x2022: "·", 0x2190: "<", 0x2192: ">", 0x2264: "<", 0x2265: ">"}
)
_LONGEST_LABEL = 80


@attrs.define
class Lettering:
    """Writes labels at one size.

    Arguments:
        size: the height of a line in pixels.
    """

    size: int
    _bundled: ImageFont.FreeTypeFont = attrs.field(init=False)
    _missing: bytes = attrs.field(init=False)
    _known: dict[str, bool] = attrs.field(init=False, factory=dict)

    @_bundled.default
    def _open_bundled(self) -> ImageFont.FreeTypeFont:
        # With a size this is the scalable font; Pillow's wheels all have FreeType.
        return cast("ImageFont.FreeTypeFont", ImageFont.load_default(self.size))

    @_missing.default
    def _draw_missing(self) -> bytes:
        return bytes(self._bundled.getmask(_NO_CHARACTER))

    def fit(self, label: str, width: float) -> tuple[str, ImageFont.FreeTypeFont]:
        """The label as it will be written, and the font.

        Arguments:
            label: any text; it is brought to one line.
            width: how many pixels it may take; it ends in an ellipsis where it needs more.
        """
        text, font = self._written(shortened(label, _LONGEST_LABEL))
        if font.getlength(text) <= width:
            return text, font
        while text and font.getlength(text + ELLIPSIS) > width:
            text = text[:-1]
        return text.rstrip() + ELLIPSIS, font

    def _written(self, label: str) -> tuple[str, ImageFont.FreeTypeFont]:
        """The bundled font where it can, another where that can, else without what is missing."""
        if self._covers(label):
            return label, self._bundled
        plain = label.translate(_PLAIN)
        if self._covers(plain):
            return plain, self._bundled
        font = self._system_font()
        if font is not None:
            return label, font
        bare = unicodedata.normalize("NFKD", plain)
        kept = (each for each in bare if not unicodedata.combining(each))
        return "".join(each if self._covers(each) else "?" for each in kept), self._bundled

    def _covers(self, text: str) -> bool:
        return all(self._has(character) for character in text)

    def _has(self, character: str) -> bool:
        if character not in self._known:
            blank = character == " "
            self._known[character] = (
                blank or bytes(self._bundled.getmask(character)) != self._missing
            )
        return self._known[character]

    def _system_font(self) -> ImageFont.FreeTypeFont | None:
        for name in _SYSTEM_FONTS:
            try:
                return ImageFont.truetype(name, self.size)
            except OSError:
                continue
        return None
