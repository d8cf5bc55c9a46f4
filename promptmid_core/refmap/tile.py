"""A tile: the part of a map that one task makes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tile:
    """The part of the map that one task makes: a window of a level's pixels that is one shard of every array of the level."""

    col: int
    row: int
    width: int
    height: int
    level: int = 0
