"""A type of field values that a plugin brings: carried as a type that the SDK knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs


@attrs.frozen
class ValueType:
    """A class whose values may be inputs and outputs of tasks.

    Attributes:
        annotation: the class, as tasks annotate it. It is none that the SDK knows, such as
            an attrs class.
        carried: the annotation that its values are stored and sent as: ``File``, ``Array``,
            an attrs class of such, ``list[float]``, ...
        pack: a value of the class as one of ``carried``.
        unpack: the way back.
        schema: further words for the JSON Schema of ``carried``.
        name: what pipelines and people call it; by default the name of the class.
    """

    annotation: type
    carried: Any
    pack: Callable[[Any], Any]
    unpack: Callable[[Any], Any]
    schema: Mapping[str, Any] = attrs.field(factory=dict)
    name: str = attrs.field(
        default=attrs.Factory(lambda self: self.annotation.__name__, takes_self=True)
    )
