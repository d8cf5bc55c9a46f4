"""What agencies deliver beside or around pixels: how a raster was imaged, how it is calibrated, where its orbit went."""

from promptmid_core.products.acquisition import Acquisition
from promptmid_core.products.beside import acquisition_of, metadata_beside
from promptmid_core.products.packed import unpacked
from promptmid_core.products.safe import Safe, is_safe

__all__ = ["Acquisition", "Safe", "acquisition_of", "is_safe", "metadata_beside", "unpacked"]
