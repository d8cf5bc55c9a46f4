"""The SAR side of a map: products, amplitudes, speckle, layover, and scenes laid beside each other."""

from promptmid_core.refmap.sar.product import SarProduct

__all__ = ["SarProduct"]
