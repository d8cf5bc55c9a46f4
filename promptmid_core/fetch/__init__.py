"""Rasters of a box from a catalogue of scenes: SAR of one orbit, heights and land cover, by windows, with a lock file."""

from promptmid_core.fetch.box import Box
from promptmid_core.fetch.fetching import Fetched, fetch
from promptmid_core.fetch.request import PLANETARY_COMPUTER, Request

__all__ = ["PLANETARY_COMPUTER", "Box", "Fetched", "Request", "fetch"]
