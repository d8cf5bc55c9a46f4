"""A likely cause of a flight's failure."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Cause:
    """`name` stays the same from version to version; `what` it is, what the frames have shown of it (`seen`), and what to try
    (`cure`), for people."""

    name: str
    what: str
    seen: str
    cure: str

    def to_dict(self) -> dict[str, str]:
        return asdict(self)

    def __str__(self) -> str:
        return f"likely cause: {self.what}. {self.seen} Try: {self.cure}"
