"""`promptmid map ...`: from SAR rasters to a map that flies."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptmid_core.cli.mapaudit import add_audit
from promptmid_core.cli.mapfetch import add_fetch
from promptmid_core.cli.mappack import add_pack
from promptmid_core.cli.output import Bar, say, tell_json
from promptmid_core.cli.parsing import (
    CAMERA,
    FLAT_GROUND,
    MODEL,
    command,
    group,
    json_output,
    output,
    positive_count,
    positive_number,
    time_of_acquisition,
)
from promptmid_core.errors import InputError

if TYPE_CHECKING:
    from promptmid_core.refmap import ReferenceMap
    from promptmid_core.refmap.build import BuildOptions

DAMAGED = 1


def add(commands: Any) -> None:
    """Declare the commands of this family."""
    of_map = group(commands, "map", "build, inspect and verify reference maps")
    build = command(of_map, "build", _map_build, "a map from a SAR GeoTIFF, or from several",
                    "promptmid map build sar.tif la_map --dem dem.tif")
    build.add_argument("sar", type=Path, nargs="+", metavar="SAR.tif", help="where several lie, the first of them counts")
    build.add_argument("out", type=Path, metavar="OUT", help="the folder of the map")
    _build_options(build, "promptmid", "float16")
    append = command(of_map, "append", _map_append, "a further region for a map, with a CRS of its own",
                     "promptmid map append east.tif la_map --name east")
    append.add_argument("sar", type=Path, nargs="+", metavar="SAR.tif", help="where several lie, the first of them counts")
    append.add_argument("map", type=Path, metavar="MAP", help="the map that gets the region")
    append.add_argument("--name", metavar="NAME", help="of the region; default: the first raster's name")
    _build_options(append, None, None)
    info = command(of_map, "info", _map_info, "what a map holds",
                   "promptmid map info la_map --camera camera_info.yaml\n  promptmid map info la_map --json")
    info.add_argument("map", type=Path, metavar="MAP", help="the map, with all its regions")
    info.add_argument("--camera", type=Path, metavar="FILE.yaml|BAG", help=f"{CAMERA}: tells the heights that it can be flown at")
    json_output(info, "all of it", bare=True)
    verify = command(of_map, "verify", _map_verify, "compare every file with the manifest; prints the damaged ones",
                     "promptmid map verify la_map")
    verify.add_argument("map", type=Path, metavar="MAP", help="the map, with all its regions")
    json_output(verify, "damaged files and unfinished regions", bare=True)
    verify.add_argument("--repair", type=Path, nargs="+", metavar="SAR.tif",
                        help="make damaged files again from the map's own inputs; a mosaic's in any order")
    for name in ("landcover", "dem"):
        verify.add_argument(f"--{name}", type=Path, metavar="RASTER.tif", help="for --repair; default: where it lay at the build")
    settle = command(of_map, "set", _map_set, "tell a finished map what nobody told when it was built",
                     "promptmid map set la_map --acquired 2023-05-01")
    settle.add_argument("map", type=Path, metavar="MAP", help="the map without its regions, or the folder of one")
    settle.add_argument("--acquired", type=time_of_acquisition, required=True, metavar="DAY",
                        help="when its SAR image was taken, UTC, as 2023-05-01 or 2023-05-01T12:00:00Z")
    add_audit(of_map)
    add_fetch(of_map)
    add_pack(of_map)
    preview = command(of_map, "preview", _map_preview, "SAR, land use, descriptors, coverage and tiles to look at",
                      "promptmid map preview la_map --out la_map.html\n"
                      "  promptmid map preview la_map --out la_sar.tif --layer sar")
    preview.add_argument("map", type=Path, metavar="MAP", help="all its regions are shown, or the folder of one; a GeoTIFF is of "
                         "one, without its folder of the main one")
    output(preview, "--out", required=True, metavar="FILE.png|FILE.html|FILE.tif", help="a picture, a page, or with --layer a "
           "Cloud Optimized GeoTIFF in the CRS of the map")
    preview.add_argument("--layer", choices=("sar", "landuse", "matchability"), help="what the GeoTIFF holds: the values of the "
                         "SAR product, codes of land cover, or the probability that a frame's match alone is right")


def _build_options(parser: argparse.ArgumentParser, descriptor: str | None, store: str | None) -> None:
    """What `build` and `append` have in common; defaults that are None are those of the map."""
    option = parser.add_argument
    option("--landcover", type=Path, metavar="LC.tif", help="land-cover classes, which give the prompts")
    option("--landcover-table", default="worldcover", metavar="TABLE",
           help="what its classes are: worldcover, corine, igbp, or FILE.yaml; default: worldcover")
    option("--embeddings", metavar="ENCODER",
           help="text embeddings of the prompts: minilm or clip:FOLDER; default: what the descriptor needs")
    option("--dem", type=Path, metavar="DEM.tif", help=FLAT_GROUND)
    option("--geoid-height-m", type=float, metavar="N", help="how far what the heights of --dem count from lies above the "
           "ellipsoid, where they place the raster; default: as its vertical datum tells")
    option("--descriptor", default=descriptor, metavar="NAME",
           help=f"promptmid, structural, or promptmid:FOLDER of a trained profile; default: {descriptor or 'that of the map'}")
    option("--model", type=Path, metavar="CONFIG.yaml", help=MODEL)
    option("--crs", metavar="EPSG:N", help="map CRS; default: the UTM zone of the raster's centre")
    option("--gsd", type=positive_number, metavar="M",
           help="metres per map pixel; default: the raster's ground resolution")
    option("--levels", type=positive_count, metavar="N",
           help="pyramid of 1, 2, 4, 8 x GSD; default: down to 512 px, at most 4")
    option("--store", choices=("float16", "int8"), default=store,
           help=f"element type of the descriptors; int8 halves them; default: {store or 'that of the map'}")
    option("--workers", type=positive_count, metavar="N", help="tiles made at once; default: one a core")
    option("--scheduler", default="threads", metavar="WHICH",
           help="threads (the default), processes, or a Dask cluster at tcp://HOST:PORT that sees the same files")
    _sar_options(parser.add_argument_group("the SAR product", "what its file does not tell; docs/sar.md").add_argument)


def _sar_options(option: Any) -> None:
    option("--sar-scale", choices=("auto", "amplitude", "intensity", "db"), default="auto",
           help="what its values are; default: auto, and 'map info' tells what was taken and why")
    option("--band", type=positive_count, metavar="N", help="read this band alone")
    option("--combine", choices=("span",), help="join bands 1 and 2 by their total power")
    option("--multilook", type=positive_count, default=1, metavar="N",
           help="mean intensity of N x N map pixels, N odd; default: 1")
    option("--speckle", choices=("lee", "none"), default="none", help="speckle filter; lee needs --looks; default: none")
    option("--looks", type=positive_number, metavar="N", help="equivalent number of looks")
    option("--terrain-corrected", choices=("yes", "no", "unknown"), default="unknown",
           help="no: the error by the heights of --dem enters the map's registration uncertainty; default: unknown")
    option("--incidence-deg", type=positive_number, metavar="T", help="angle of incidence in the middle of the map")
    option("--acquired", type=time_of_acquisition, metavar="DAY",
           help="when it was taken, UTC, as 2023-05-01 or 2023-05-01T12:00:00Z; default: as its metadata tell")
    option("--look-deg", type=float, metavar="A", help="where the radar looks, clockwise from north; masks layover and shadow")


def _map_build(args: argparse.Namespace) -> None:
    from promptmid_core.refmap.build import Crew, Sources, build_map

    options, rasters = _given(args, args.descriptor), _unpacked(args.sar)
    with Bar("map", "tile") as progress:
        built = build_map(Sources(rasters, args.landcover, args.dem), args.out, options,
                          Crew(args.scheduler, args.workers, progress))
    _tell(args.out, built)


def _map_append(args: argparse.Namespace) -> None:
    from promptmid_core.refmap import ReferenceMap
    from promptmid_core.refmap.build import Crew, Sources, append_region

    options, rasters = _given(args, args.descriptor or ReferenceMap.open(args.map).descriptor_name), _unpacked(args.sar)
    with Bar("region", "tile") as progress:
        built = append_region(args.map, Sources(rasters, args.landcover, args.dem), options,
                              Crew(args.scheduler, args.workers, progress), args.name)
    _tell(built.path, built)


def _unpacked(rasters: list[Path]) -> list[Path]:
    from promptmid_core.products import unpacked

    return [unpacked(path, say) for path in rasters]


def _given(args: argparse.Namespace, descriptor: str) -> BuildOptions:
    """The options of a build."""
    from promptmid_core.descriptors import load, with_model
    from promptmid_core.refmap.build import BuildOptions
    from promptmid_core.refmap.sar import SarProduct

    product = SarProduct(args.sar_scale, args.band, args.combine, args.multilook, args.speckle, args.looks,
                         args.terrain_corrected, args.incidence_deg, args.look_deg, args.acquired)
    return BuildOptions(load(with_model(descriptor, args.model), threads=1), product, args.landcover_table, args.embeddings,
                        args.crs, args.gsd, args.levels, args.store, args.geoid_height_m)


def _tell(path: Path, built: ReferenceMap) -> None:
    from promptmid_core.localization.options import Options
    from promptmid_core.refmap import few_heights, little_data, seams, small_ground, unsure_datum, unsure_place, unsure_relief

    print(f"{path}: {built.grid.width}x{built.grid.height} px of {built.gsd:.3f} m, {built.frame.crs}, "
          f"descriptor {built.descriptor_name}")
    patch_px = Options().search.patch_px
    for sentence in (little_data(path), few_heights(path), small_ground(path, patch_px), unsure_place(path),
                     unsure_relief(path), unsure_datum(path), *seams(path)):
        if sentence:
            say(f"warning: {sentence}")


def _map_info(args: argparse.Namespace) -> None:
    from promptmid_core.bags.camera import camera_of
    from promptmid_core.localization.options import Options
    from promptmid_core.plan.heights import band_of
    from promptmid_core.preview.facts import facts, table
    from promptmid_core.refmap import ReferenceMap, map_info

    info, search = map_info(args.map), Options().search
    reference = ReferenceMap.open(args.map)
    band = band_of(reference, camera_of(args.camera), search) if args.camera else None
    if args.json:
        heights = {"heights_m": {"min": band.least, "max": band.most}} if band else {}
        tell_json(args, info | heights)
        return
    print(table(facts(reference, band.sentence if band else None)))


def _map_verify(args: argparse.Namespace) -> int:
    from promptmid_core.refmap import unfinished_regions, verify_map
    from promptmid_core.refmap.build import Crew, Sources, repair_map

    if args.repair:
        rasters = _unpacked(args.repair)
        with Bar("repair", "tile") as progress:
            for name in repair_map(args.map, Sources(rasters, args.landcover, args.dem), crew=Crew(progress=progress)):
                print(f"{args.map}: {name} made again", file=sys.stderr)
    damaged = verify_map(args.map)
    unfinished = [] if damaged else list(unfinished_regions(args.map))
    tell_json(args, {"whole": not damaged, "damaged": list(damaged), "unfinished_regions": unfinished})
    for name in damaged:
        print(name)
    if damaged:
        print(f"{args.map}: {len(damaged)} damaged or missing; copy the map again, or add --repair SAR.tif, for a region to "
              "the command with its own folder", file=sys.stderr)
        return DAMAGED
    for name in unfinished:
        print(f"{args.map}: region {name} is unfinished and not part of the map; give its 'promptmid map append' again",
              file=sys.stderr)
    print(f"{args.map}: whole", file=sys.stderr)
    return 0


def _map_set(args: argparse.Namespace) -> None:
    from promptmid_core.refmap.build import tell_acquired

    tell_acquired(args.map, args.acquired)
    print(f"{args.map}: taken {args.acquired}")


def _map_preview(args: argparse.Namespace) -> None:
    from promptmid_core.plan.layer import matchability_layer
    from promptmid_core.preview.page import write_preview
    from promptmid_core.preview.raster import KINDS, landuse_layer, sar_layer, write_layer
    from promptmid_core.refmap import ReferenceMap

    reference = ReferenceMap.open(args.map)
    if (args.out.suffix.lower() in KINDS) != (args.layer is not None):
        raise InputError(f"{args.out} " + ("is a GeoTIFF, which holds one layer; say which with --layer" if args.layer is None
                                           else "is no GeoTIFF, and --layer says what one holds; name a file that ends in .tif"))
    if args.layer:
        layers = {"sar": sar_layer, "landuse": landuse_layer, "matchability": matchability_layer}
        write_layer(args.out, reference, layers[args.layer](reference))
    else:
        write_preview(args.out, reference)
    print(f"preview: {args.out}")
