"""Which camera_info belongs to an image."""

from dataclasses import replace

import pytest
from flights import CAMERA

from promptmid_core.bags import telemetry
from promptmid_core.errors import Refusal
from promptmid_core.localization.cameras import CameraInfos
from promptmid_core.reasons import Reason

START = 1_700_000_000_000_000_000


def test_camera_info_of_an_images_own_stamp_is_preferred() -> None:
    infos = CameraInfos()
    with pytest.raises(Refusal) as caught:
        infos.camera(START, CAMERA.mount)
    assert caught.value.reason is Reason.CAMERA_INFO_MISSING
    for i, width in enumerate((64, 66, 68)):
        infos.add(telemetry.camera_info(START + 10 * i, replace(CAMERA, width=width)))
    # its own; else the last one before; else the first one after
    for stamp, width in ((START + 10, 66), (START + 15, 66), (START + 770, 68), (START - 5, 64)):
        assert infos.camera(stamp, CAMERA.mount).width == width


def test_camera_info_of_its_own_is_waited_for_where_every_image_has_one() -> None:
    infos = CameraInfos()
    assert not infos.ready(START)
    infos.add(telemetry.camera_info(START, CAMERA))
    assert infos.ready(START + 10), "one alone may be all that there is"
    infos.camera(START, CAMERA.mount)
    assert not infos.ready(START + 10)
    infos.add(telemetry.camera_info(START + 10, CAMERA))
    assert infos.ready(START + 10)
