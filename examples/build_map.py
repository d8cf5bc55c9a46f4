"""A map of a SAR GeoTIFF.

usage: python examples/build_map.py SAR.tif MAP
"""

import sys

from promptmid_core.api import BuildOptions, Sources, build_map, load, map_info

sar, folder = sys.argv[1:]
options = BuildOptions(load("structural"))
reference = build_map(Sources(sar), folder, options)
print(f"{reference.grid.width} x {reference.grid.height} px of {reference.gsd:.2f} m in {reference.frame.crs}")
print(f"{map_info(reference.path)['valid_fraction']:.0%} of it has SAR data")
