"""Which descriptor made a map."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from promptmid_core.descriptors import Descriptor
from promptmid_core.geometry import ChannelGroup, Measure
from promptmid_core.prompts.prompt import Modality
from promptmid_core.refmap.format.fields import Fields

MOST_STRIDE, MOST_CHANNELS = 256, 4096
MOST_VALUE = 1e4  # of a weight or a bound, and the inverse of the least bound: float16 holds what a descriptor is made of

@dataclass(frozen=True)
class DescriptorIdentity:
    """Which descriptor made the map: `stride` in level pixels, `fingerprint` and `groups` as the descriptor gives them."""

    name: str
    stride: int
    fingerprint: str
    groups: tuple[ChannelGroup, ...]

    @property
    def channels(self) -> int:
        """The number of channels of all groups together."""
        return sum(group.channels for group in self.groups)

    @staticmethod
    def of(descriptor: Descriptor) -> DescriptorIdentity:
        """Return the identity of a descriptor."""
        return DescriptorIdentity(descriptor.name, descriptor.stride, descriptor.fingerprint, descriptor.groups(Modality.SAR))

    @staticmethod
    def from_dict(fields: Fields) -> DescriptorIdentity:
        """Return the identity that a header's JSON values give. Raises InputError where they give none."""
        groups = tuple(map(_group, fields.parts("groups")))
        identity = DescriptorIdentity(fields.word("name"), fields.whole("stride", 1, MOST_STRIDE), fields.word("fingerprint"),
                                      groups)
        if identity.channels > MOST_CHANNELS or len({group.name for group in groups}) < len(groups):
            fields.refuse("groups", f"a list of groups of different names, of {MOST_CHANNELS} channels at most")
        fields.done()
        return identity

    def to_dict(self) -> dict[str, Any]:
        """Return the identity as JSON values."""
        return asdict(self) | {"groups": [asdict(group) | {"measure": group.measure.value} for group in self.groups]}


def _group(fields: Fields) -> ChannelGroup:
    measure = Measure(fields.word("measure", tuple(Measure)))
    group = ChannelGroup(fields.word("name"), fields.whole("channels", 1, MOST_CHANNELS), measure,
                         fields.number("weight", -MOST_VALUE, MOST_VALUE), fields.number("bound", 1 / MOST_VALUE, MOST_VALUE))
    fields.done()
    return group
