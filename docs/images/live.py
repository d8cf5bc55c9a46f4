"""Make the picture of docs/ros.md: what `~/match_image` shows of a frame of `make demo`.

`.venv/bin/python docs/images/live.py demo_out/map demo_out/flight [FRAME]`
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2

from promptmid_core.bags.bag import open_bag
from promptmid_core.descriptors import load
from promptmid_core.localization.localizer import Localizer
from promptmid_core.outputs.views import match_picture
from promptmid_core.refmap import ReferenceMap
from promptmid_core.replay.recording import Recording

FRAME = 20


def main(map_path: Path, bag: Path, last: int) -> None:
    reference = ReferenceMap.open(map_path)
    recording = Recording(open_bag(bag), reference.frame)
    localizer = Localizer(reference, load(reference.descriptor_name))
    for index, image in enumerate(recording.images()):
        frame, (prior, _) = recording.intake.frame(image.message), recording.intake.odometry.at(image.stamp_ns)
        fix = localizer.track(localizer.match(frame, prior, localizer.expect))
        if index == last:
            break
    picture = cv2.cvtColor(match_picture(fix, "fix" if fix.accepted else fix.sentence, reference), cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(Path(__file__).parent / "match_image.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 85])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else FRAME)
