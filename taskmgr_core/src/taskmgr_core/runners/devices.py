"""Which devices a runner sees: those of the units that are held for its step. Pure.

The units of ``gpu`` are devices. A worker that was itself given some of a machine's
(``CUDA_VISIBLE_DEVICES=2,3``) hands on those, in their order.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import attrs

from taskmgr_core.errors import SettingsError

GPU = "gpu"
VARIABLES = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")

Numbers = Mapping[str, tuple[int, ...]]
NO_UNITS: Numbers = MappingProxyType({})


@attrs.frozen
class Devices:
    """What the units of a worker are.

    Attributes:
        offered: units by name.
        names: variable -> the devices that the worker itself was given, when it was.
    """

    offered: Mapping[str, int] = attrs.field(factory=dict)
    names: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)

    @classmethod
    def of(cls, offered: Mapping[str, int], environ: Mapping[str, str]) -> Devices:
        """The devices of this process.

        Raises:
            SettingsError: it offers more than it was given.
        """
        names = {
            variable: tuple(each.strip() for each in environ[variable].split(",") if each.strip())
            for variable in VARIABLES
            if variable in environ
        }
        for variable, given in names.items():
            if len(given) < offered.get(GPU, 0):
                raise SettingsError(
                    f"resources offer gpu={offered[GPU]}, but {variable}={environ[variable]!r} "
                    f"gives this process {len(given)}: offer no more, or unset {variable}"
                )
        return cls(dict(offered), names)

    def variables(self, units: Numbers) -> dict[str, str]:
        """The environment variables of a runner that holds units.

        Where devices are offered, a runner without any sees none: they are others'.
        """
        found = {
            f"TASKMGR_RESOURCE_{name.upper()}": ",".join(map(str, numbers))
            for name, numbers in units.items()
        }
        if GPU in self.offered:
            found |= {
                variable: self._visible(variable, units.get(GPU, ())) for variable in VARIABLES
            }
        return found

    def are_seen(self, units: Numbers) -> bool:
        """Whether a runner that holds units may use devices: some of its own, or nobody's."""
        return GPU in units or GPU not in self.offered

    def _visible(self, variable: str, numbers: tuple[int, ...]) -> str:
        names = self.names.get(variable)
        return ",".join(str(number) if names is None else names[number] for number in numbers)
