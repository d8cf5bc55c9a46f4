"""`promptmid map pack` and `unpack`: a map as one file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from promptmid_core.cli.output import Bar
from promptmid_core.cli.parsing import command, output


def add_pack(of_map: Any) -> None:
    """Declare both commands among those of `promptmid map`."""
    pack = command(of_map, "pack", _pack, "a map as one file, verified on the way", "promptmid map pack la_map la_map.zip")
    pack.add_argument("map", type=Path, metavar="MAP", help="with all its regions")
    output(pack, "file", metavar="FILE.zip", help="a Zarr zip store, uncompressed; what is there is replaced")
    unpack = command(of_map, "unpack", _unpack, "the map folder of such a file, verified on the way",
                     "promptmid map unpack la_map.zip la_map")
    unpack.add_argument("packed", type=Path, metavar="FILE.zip", help="what 'promptmid map pack' made")
    unpack.add_argument("out", type=Path, metavar="MAP", help="a folder that is new or empty")


def _pack(args: argparse.Namespace) -> None:
    from promptmid_core.refmap.packed import pack_map

    with Bar("pack", "file") as progress:
        pack_map(args.map, args.file, progress)
    print(f"{args.file}: {args.file.stat().st_size} bytes; each file of the map is as its manifest tells")


def _unpack(args: argparse.Namespace) -> None:
    from promptmid_core.refmap.packed import unpack_map

    with Bar("unpack", "file") as progress:
        unpack_map(args.packed, args.out, progress)
    print(f"{args.out}: whole")
