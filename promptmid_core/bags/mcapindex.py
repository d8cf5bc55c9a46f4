"""MCAP files whose summary tells a part of what they hold: read through, where rosbags would pass over the rest in silence."""

from __future__ import annotations

from typing import Any


def complete(storage: Any) -> None:
    """Let rosbags' open storage of an MCAP file know all its topics and messages; other storage stays as it is.

    A summary may leave out channels, and a chunk its message index: what they tell of is not found then, and counts as absent.
    """
    told = getattr(storage, "statistics", None)
    if told is None:
        return
    indexed = sum(sum(chunk.channel_count.values()) for chunk in storage.chunks)
    known = storage.channels.keys()
    unknown = told.channel_count > len(known) or not told.channel_message_counts.keys() <= known
    if not unknown and (not storage.chunks or indexed == told.message_count > 0):
        return
    # in the order of the file, which has to be that of time then
    storage.chunks.clear()
    storage.meta_scan()
    found = storage.statistics
    storage.connections = [each._replace(msgcount=found.channel_message_counts.get(each.id, 0)) for each in storage.connections]
    if found.message_count:
        storage.metadata = storage.metadata._replace(
            message_count=found.message_count, start_time=found.start_time, end_time=found.end_time + 1,
            duration=found.end_time - found.start_time + 1)
