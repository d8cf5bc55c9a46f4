"""`promptmid doctor`: a sound installation, and each thing that can be wrong with it."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from promptmid_core.cli import main
from promptmid_core.descriptors.structural import Structural
from promptmid_core.doctor import dds, rosprobe, security
from promptmid_core.doctor import examination as doctor
from promptmid_core.refmap.build import BuildOptions, Sources, build_map
from promptmid_core.runtime import profile

PROFILE = Path(__file__).resolve().parent.parent / "config" / "fastdds.xml"


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "DESCRIBED", 1)
    for name in (dds.VARIABLE, dds.VARIABLE_OF_FAST_DDS_2, "ROS_DISTRO", security.ENABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(dds.VARIABLE, str(PROFILE))


@pytest.fixture(scope="module")
def sar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sar") / "sar.tif"
    pixels = np.random.default_rng(1).gamma(4.0, 0.25, (256, 256)).astype(np.float32)
    with rasterio.open(path, "w", driver="GTiff", width=256, height=256, count=1, dtype="float32", crs="EPSG:32611",
                       transform=from_origin(400_000, 3_700_000, 10, 10)) as out:
        out.write(pixels, 1)
    return path


@pytest.fixture(scope="module")
def sound_map(sar: Path) -> Path:
    return build_map(Sources(sar), sar.parent / "map", BuildOptions(Structural())).path


def told(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict]:
    status = main(["doctor", "--json", *words])
    return status, json.loads(capsys.readouterr().out)


def test_a_sound_installation(sound_map: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("rclpy", reason="needs ROS 2's rclpy")
    status, seen = told(capsys, "--map", str(sound_map))
    assert (status, seen["ok"], seen["problems"]) == (0, True, [])
    assert seen["ros"]["rmw"].startswith("rmw_")
    assert seen["dds"]["segment_bytes"] == 64 * 2**20
    assert seen["map"]["descriptor"] == "structural"
    assert seen["map"]["fingerprint"] == Structural().fingerprint
    assert seen["backend"]["backend"] == "none"
    assert seen["describe"]["median_ms"] > 0
    assert "CPUExecutionProvider" in seen["runtimes"]["onnxruntime_providers"]
    assert seen["weights"]["compact.onnx"] == profile.Profile.read(profile.COMPACT).files["compact.onnx"][:16]
    assert seen["versions"]["numpy"] == np.__version__
    assert main(["doctor", "--map", str(sound_map)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "nothing stops the node"
    assert any(line.startswith("map") and str(sound_map) in line for line in lines)


def test_what_the_map_calls_for_is_told_by_height_and_camera(sound_map: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, seen = told(capsys, "--map", str(sound_map))
    assert seen["attitude_m_per_tenth_deg"]["1000"] == 1.745 and "height_m" not in seen
    _, seen = told(capsys, "--map", str(sound_map), "--image-size", "1280x960", "--focal-px", "1000")
    # 256 px of 10 m fill 960 px from where a pixel shows 2.67 m; up to 20 m a pixel is matched at the finest level
    least = 256 * 10.0 * 1000 / 960
    assert seen["height_m"] == {"least": round(least, 1), "finest": 20_000.0, "most": 20_000.0 * 2 ** (seen["map"]["levels"] - 1),
                                "attitude_m": round(least * np.tan(np.deg2rad(0.1)), 3)}
    _, seen = told(capsys, "--map", str(sound_map), "--image-size", "160x120", "--focal-px", "100")
    assert any(sentence.startswith("images of 160x120 are too small") for sentence in seen["warnings"])


@pytest.mark.parametrize(("words", "said"), [
    (["--image-size", "640x480"], "give both, and --map"), (["--focal-px", "500"], "give both, and --map"),
    (["--map", "m", "--image-size", "0x480", "--focal-px", "500"], "images of 0x480 px are none"),
    (["--map", "m", "--image-size", "640x480", "--focal-px", "-5"], "-5 is not a positive number"),
    (["--map", "m", "--image-size", "640", "--focal-px", "500"], "640 is not a size"),
])
def test_half_a_camera_is_refused(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        status = main(["doctor", *words])
    except SystemExit as ended:
        status = int(str(ended.code))
    assert status and said in capsys.readouterr().err


def test_without_a_map_the_network_that_is_shipped_is_looked_at(capsys: pytest.CaptureFixture[str]) -> None:
    status, seen = told(capsys, "--backend", "onnxruntime")
    assert (status == 0) == seen["ok"]
    assert "map" not in seen
    assert (seen["backend"]["backend"], seen["backend"]["why"]) == ("onnxruntime", "it was named")


def test_each_problem_is_one_line_with_its_cure(sar: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                capsys: pytest.CaptureFixture[str]) -> None:
    status, seen = told(capsys, "--map", str(tmp_path / "none"))
    assert status == 1
    assert [line for line in seen["problems"] if "is not a map; build one with" in line]

    other = build_map(Sources(sar), tmp_path / "other", BuildOptions(Structural(ratio_decay=3.0))).path
    status, seen = told(capsys, "--map", str(other))
    assert status == 1
    assert [line for line in seen["problems"] if "rebuild it with: promptmid map build" in line]

    folder = shutil.copytree(profile.COMPACT, tmp_path / "compact")
    weights = bytearray((folder / "compact.onnx").read_bytes())
    weights[len(weights) // 2] ^= 1
    (folder / "compact.onnx").write_bytes(weights)
    monkeypatch.setattr(profile, "COMPACT", folder)
    status = main(["doctor"])
    lines = capsys.readouterr().out.splitlines()
    assert status == 1
    assert len([line for line in lines if line.startswith("PROBLEM") and "compact.onnx is not the file" in line]) == 1
    assert lines[-1] == "the node cannot fly like this"


def test_a_broken_ros_is_a_problem(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(rosprobe, "PROBE", "promptmid_ros.probe_that_is_not_there")
    status, seen = told(capsys, "--backend", "onnxruntime")
    assert status == 1
    assert seen["ros"]["rmw"] is None
    assert [line for line in seen["problems"] if "probe_that_is_not_there" in line and "source /opt/ros" in line]


def test_profiles_of_fast_dds(tmp_path: Path) -> None:
    small, broken = tmp_path / "small.xml", tmp_path / "broken.xml"
    small.write_text(PROFILE.read_text().replace("67108864", "524288"))
    broken.write_text("<dds><profiles>")
    (tmp_path / "none.xml").write_text("<dds/>")

    def read(file: Path | None, **environment: str) -> dds.DdsProfile:
        return dds.read_profile(environment | ({dds.VARIABLE: str(file)} if file else {}))

    assert read(PROFILE) == dds.DdsProfile(dds.VARIABLE, str(PROFILE), 64 * 2**20, True)
    for file, words in ((small, "a segment of 524288 bytes"), (broken, "cannot be read"),
                        (tmp_path / "gone.xml", "cannot be read"), (tmp_path / "none.xml", "no shared-memory segment")):
        found = read(file)
        assert not found.sound
        assert words in found.sentence
        assert dds.CURE in found.sentence
    assert read(None).sound
    assert f"{dds.VARIABLE} is not set" in read(None).sentence
    jazzy = read(PROFILE, ROS_DISTRO="jazzy")
    assert jazzy.file is None
    assert f"{dds.VARIABLE}, which is set, is read by other versions" in jazzy.sentence


def test_shared_memory_that_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dds, "_room", lambda: 2**20)
    found = dds.read_profile({dds.VARIABLE: str(PROFILE)})
    assert not found.sound
    assert "--shm-size" in found.sentence


SECURED = {security.ENABLE: "true", security.STRATEGY: "Enforce", security.ENCLAVE: "/localizer"}


@pytest.fixture
def keystore(tmp_path: Path) -> Path:
    """With the files of the enclave /localizer by their names, and nothing in them."""
    folder = tmp_path / "keystore" / "enclaves" / "localizer"
    folder.mkdir(parents=True)
    for name in (*security.SIGNED, *(f"{part}.pem" for part in security.IDENTITY)):
        (folder / name).touch()
    return tmp_path / "keystore"


def test_dds_security_that_is_off(keystore: Path) -> None:
    named = {security.KEYSTORE: str(keystore), security.ENCLAVE: "/localizer"}
    for value in ("", "false", "0"):
        assert security.read_security(named | {security.ENABLE: value}) == security.DdsSecurity("off")
    assert security.read_security({}) == security.DdsSecurity("off")


def test_dds_security_that_is_on(keystore: Path) -> None:
    sound = SECURED | {security.KEYSTORE: str(keystore)}
    assert security.read_security(sound) == security.DdsSecurity("/localizer")
    (keystore / "enclaves/localizer/key.pem").rename(keystore / "enclaves/localizer/key.p11")
    assert security.read_security(sound) == security.DdsSecurity("/localizer")
    lax = security.read_security(sound | {security.STRATEGY: "enforce"})
    assert (lax.enclave, lax.problem) == ("/localizer", "")
    assert "ROS_SECURITY_STRATEGY is 'enforce', not 'Enforce'" in lax.warning


@pytest.mark.parametrize(("changes", "words"), [
    ({security.ENABLE: "True"}, "ROS_SECURITY_ENABLE is 'True', which ROS 2 takes for off"),
    ({security.KEYSTORE: ""}, "ROS_SECURITY_KEYSTORE names no keystore"),
    ({security.KEYSTORE: "/no/such"}, "/no/such/enclaves/localizer, the folder of the enclave /localizer, is not there"),
    ({security.ENCLAVE: "localizer"}, "the name of an enclave begins with a slash"),
    ({security.ENCLAVE: "/camera"}, "the folder of the enclave /camera, is not there"),
    ({security.ENCLAVE: ""}, "enclaves lacks governance.p7s, permissions.p7s, identity_ca.cert.pem, cert.pem, key.pem"),
])
@pytest.mark.parametrize("strategy", ["Enforce", "Permissive"])
def test_dds_security_that_is_asked_for_and_is_not_there(keystore: Path, changes: dict[str, str], words: str,
                                                         strategy: str) -> None:
    found = security.read_security(SECURED | {security.KEYSTORE: str(keystore), security.STRATEGY: strategy} | changes)
    assert found.enclave == "off"
    assert words in found.problem
    assert "\n" not in found.problem


def test_the_doctor_tells_the_enclave_or_what_is_wrong_with_it(keystore: Path, monkeypatch: pytest.MonkeyPatch,
                                                                capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("rclpy", reason="needs ROS 2's rclpy")
    assert told(capsys, "--backend", "onnxruntime")[1]["dds_security"] == "off"
    for name, value in (SECURED | {security.KEYSTORE: str(keystore)}).items():
        monkeypatch.setenv(name, value)
    # the middleware takes no empty certificates, and that of PyPI knows no security at all
    status, seen = told(capsys, "--backend", "onnxruntime")
    assert (status, seen["dds_security"]) == (1, "off")
    (problem,) = seen["problems"]
    assert problem.startswith("rmw_") and "makes no node in the enclave /localizer (" in problem and "Traceback" not in problem

    monkeypatch.setattr(doctor, "probe_node", lambda environment: "")
    status, seen = told(capsys, "--backend", "onnxruntime")
    assert (status, seen["dds_security"]) == (0, "/localizer")

    (keystore / "enclaves/localizer/cert.pem").unlink()
    status, seen = told(capsys, "--backend", "onnxruntime")
    assert (status, seen["dds_security"]) == (1, "off")
    assert [line for line in seen["problems"] if "localizer lacks cert.pem" in line]
