"""Names of descriptors, as commands, maps and benches give them: `family:profile/group@store`."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

from promptmid_core.errors import InputError

STRUCTURAL, PROMPTMID = FAMILIES = ("structural", "promptmid")
# the profile that is shipped, which counts where none is named, and that of the user's own checkpoints
COMPACT, FULL = "compact", "full"


@dataclass(frozen=True)
class DescriptorName:
    """`family` is one of FAMILIES; `profile`, of PROMPTMID alone, is COMPACT, FULL or the folder of one that was trained.

    `group` names channel groups of the descriptor that count alone, joined by `+`, and `store` the element type in which a map
    stores them. All but the family are empty where they are not said.
    """

    family: str
    profile: str = ""
    group: str = ""
    store: str = ""

    @staticmethod
    def whole(text: str) -> DescriptorName:
        """Read the name of a descriptor with all its groups: what follows the colon is its profile, whatever that looks like.

        Raises InputError where there is no such family, or it has no profiles.
        """
        family, colon, profile = text.partition(":")
        if family not in FAMILIES or (colon and family != PROMPTMID):
            raise InputError(f"there is no descriptor '{text}'; known are {', '.join(FAMILIES)}")
        return DescriptorName(family, profile)

    @staticmethod
    def parse(text: str) -> DescriptorName:
        """Read a name of any form. A folder may have `/` and `@` in its path, so what exists as a whole is a profile as a whole.

        Raises InputError as `whole` does.
        """
        rest, group, store = text, "", ""
        if not _is_there(rest):
            before, _, after = rest.rpartition("@")
            if before and "/" not in after:
                rest, store = before, after
        if not _is_there(rest):
            before, _, after = rest.rpartition("/")
            if before:
                rest, group = before, after
        return replace(DescriptorName.whole(rest), group=group, store=store)

    @staticmethod
    def is_meant(text: str) -> bool:
        """Return whether a name begins with one of FAMILIES, and is thus that of a descriptor or a wrong one."""
        return re.split("[:/@]", text, maxsplit=1)[0] in FAMILIES

    @property
    def folder(self) -> Path | None:
        """The folder of the profile, None where there is none or it has a name of its own."""
        return None if self.profile in ("", COMPACT, FULL) else Path(self.profile)

    @property
    def of_user(self) -> bool:
        """Whether this is the profile FULL, which stands for a folder that only the user knows."""
        return self.family == PROMPTMID and self.profile == FULL

    @property
    def without_parts(self) -> DescriptorName:
        """The descriptor with all its groups, in full precision."""
        return DescriptorName(self.family, self.profile)

    def __str__(self) -> str:
        parts = ((":", self.profile), ("/", self.group), ("@", self.store))
        return self.family + "".join(mark + part for mark, part in parts if part)


def _is_there(text: str) -> bool:
    """Whether what follows the colon is a file or folder."""
    _, _, profile = text.partition(":")
    return bool(profile) and os.path.exists(profile)  # noqa: PTH110  Path.exists raises where a name is too long
