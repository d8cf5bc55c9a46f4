"""Disks, homes and names as the field has them: full, closed, missing, in no encoding."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from flights import START_NS, messages, odometry, true_pose, write_bag
from refusals import told
from simulated import Scene

from promptmid_core.bags.bag import open_bag
from promptmid_core.bags.writer import BagWriter
from promptmid_core.cli import main
from promptmid_core.runtime.tensorrt import engines
from promptmid_core.simulation.flight.options import FlightOptions
from promptmid_core.simulation.flight.simulate import simulate_flight

pytestmark = pytest.mark.slow


UNKNOWN_USER = 54321


def as_nobody(call):
    """What a call raises when a user makes it who may do nothing here: in a process of its own, since this one may be root's."""
    here, there = os.pipe()
    child = os.fork()
    if not child:
        said = "nothing was raised"
        try:
            if not os.getuid():
                os.setgid(UNKNOWN_USER)
                os.setuid(UNKNOWN_USER)
            call()
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(there, said.encode(errors="backslashreplace"))
        os._exit(0)
    os.close(there)
    os.waitpid(child, 0)
    with os.fdopen(here) as pipe:
        return pipe.read()


@pytest.fixture
def open_folder():
    """A folder that every user may look into, which the folders of tests are not."""
    with tempfile.TemporaryDirectory(prefix="field_bags_") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def unreadable_storage(bag):
    (bag / "bag.mcap").chmod(0)


def unreadable_metadata(bag):
    (bag / "metadata.yaml").chmod(0)


def unreadable_folder(bag):
    bag.chmod(0)


@pytest.mark.parametrize("harm", [unreadable_storage, unreadable_metadata, unreadable_folder])
def test_a_bag_that_may_not_be_read_is_refused_in_a_sentence(open_folder, harm):
    bag = write_bag(open_folder / "bag", messages(1))
    open_bag(bag)  # all of the reader is loaded now
    for path in (bag, *bag.iterdir()):
        path.chmod(0o755)
    harm(bag)
    sentence = as_nobody(lambda: list(open_bag(bag).messages()))
    bag.chmod(0o755)
    assert sentence.startswith(f"InputError: {bag}"), sentence
    assert "Permission denied" in sentence and "truncated" not in sentence and "\n" not in sentence


def test_what_has_no_end_or_is_not_there_is_no_bag(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "it is no folder" in told(open_bag, tmp_path / "pipe")
    (tmp_path / "link").symlink_to("nowhere")
    assert "it is a link to nothing" in told(open_bag, tmp_path / "link")
    bag = write_bag(tmp_path / "bag", messages(1))
    (bag / "bag.mcap").unlink()
    os.mkfifo(bag / "bag.mcap")
    assert f"{bag / 'bag.mcap'} is not a file" in told(open_bag, bag)
    (bag / "bag.mcap").unlink()
    (bag / "bag.mcap").symlink_to("nowhere")
    assert f"{bag / 'bag.mcap'} is not a file" in told(open_bag, bag)
    assert "File name too long" in told(open_bag, tmp_path / ("b" * 300))


def test_a_bag_is_written_where_it_can_be_or_refused_before_any_work(open_folder, scene: Scene):
    def fly(out):
        simulate_flight(scene.optical, out, FlightOptions.of(frames=1, seed=1, footprint_px=200, drift_px=1,
                        yaw_error_deg=1, altitude_error_percent=1, image_size=(96, 96)),
                        progress=lambda *_: pytest.fail("it has flown"))

    (open_folder / "file").write_text("x")
    (open_folder / "link").symlink_to("nowhere")
    (open_folder / "folder").mkdir()
    (open_folder / "to_folder").symlink_to("folder")
    os.mkfifo(open_folder / "pipe")
    there = sorted(open_folder.rglob("*"))
    for name, word in {**dict.fromkeys(("file", "link", "to_folder", "pipe"), "exists already"), "file/bag": "Not a directory",
                       os.fsdecode(b"b\xff"): "UTF-8", "b" * 300: "File name too long"}.items():
        assert word in told(fly, open_folder / name), name
        assert word in told(BagWriter, open_folder / name)
    sentence = as_nobody(lambda: fly(open_folder / "a" / "bag"))
    assert sentence.startswith(f"InputError: {open_folder / 'a' / 'bag'} cannot be written (Permission denied)"), sentence
    assert sorted(open_folder.rglob("*")) == there


FULL = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
from promptmid_core.cli import main
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize(("limit", "frames"), [
    pytest.param(2_000_000, 12, id="in the middle"), pytest.param(30_000, 1, id="at the end"), pytest.param(0, 1, id="at once")])
def test_a_full_disk_is_told_in_a_sentence_and_nothing_is_left(tmp_path, scene: Scene, limit, frames):
    """A limit on the size of files ends writing as a full disk does."""
    words = ["simulate", "flight", "--optical", str(scene.optical), "--out", str(tmp_path / "new" / "bag"), "--frames",
             str(frames), "--footprint-px", "300", "--image-size", "960x800"]
    done = subprocess.run([sys.executable, "-c", FULL, str(limit), *words],
                          capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"promptmid: {tmp_path / 'new' / 'bag'} cannot be written (File too large); name another folder, where there is room")
    assert "Traceback" not in done.stderr and "ignored" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_name_of_an_input_that_is_not_utf8_is_spelled_out_in_the_bag(tmp_path):
    with BagWriter(tmp_path / "bag", {"optical": os.fsdecode(b"ortho\xff.tif")}) as writer:
        writer.write("/odometry", odometry(1, true_pose(START_NS)), 1)
    assert open_bag(tmp_path / "bag").custom["optical"] == "ortho\\udcff.tif"


def promptmid(*words, **environment):
    """The command in a process that has this environment alone."""
    least = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
    return subprocess.run([sys.executable, "-m", "promptmid_core.cli", *words], env=least | environment, capture_output=True,
                          text=True, timeout=120, check=False)


def test_names_that_an_encoding_cannot_say_are_printed_all_the_same(tmp_path, scene: Scene):
    odd = tmp_path / os.fsdecode(b"map\xff")
    odd.symlink_to(scene.map_path)
    for encoding in ("utf-8:strict", "ascii:strict"):
        done = promptmid("map", "info", str(odd), PYTHONIOENCODING=encoding)
        assert done.returncode == 0, done.stderr
        assert "map\\udcff" in done.stdout
        done = promptmid("map", "info", str(tmp_path / os.fsdecode(b"no map\xff")), PYTHONIOENCODING=encoding)
        assert done.returncode == 1
        assert done.stderr.startswith("promptmid: ") and "no map\\udcff is not a map" in done.stderr
        assert done.stderr.count("\n") == 1


def test_a_replay_needs_no_home_and_takes_names_that_are_not_utf8(tmp_path, scene: Scene):
    odd = {name: str(tmp_path / os.fsdecode(name.encode() + b"\xff")) for name in ("bag", "json", "report.html")}
    Path(odd["bag"]).symlink_to(scene.bag)
    done = promptmid("replay", odd["bag"], "--map", str(scene.map_path), "--json", odd["json"], "--report", odd["report.html"],
                     PYTHONIOENCODING="utf-8:strict")
    assert done.returncode == 0, done.stderr
    assert json.loads(Path(odd["json"]).read_text())["frames"] == 16
    assert "bag\\udcff" in done.stdout and Path(odd["report.html"]).stat().st_size > 100_000


def test_a_path_in_the_home_of_nobody_is_told(tmp_path, scene: Scene, capsys):
    parameters = tmp_path / "parameters.yaml"
    parameters.write_text("localizer: {ros__parameters: {network: ~no_such_user/net.onnx}}")
    assert main(["replay", str(scene.bag), "--map", str(scene.map_path), "--params", str(parameters)]) == 1
    assert "~no_such_user/net.onnx begins with the home of a user who has none" in capsys.readouterr().err


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become a user who has no home")
def test_without_a_home_engines_want_a_folder_by_name(monkeypatch):
    for name in ("HOME", "XDG_CACHE_HOME", engines.FOLDER):
        monkeypatch.delenv(name, raising=False)
    assert as_nobody(engines.folder) == (
        f"InputError: this user has no home to keep engines in; name a folder for them in {engines.FOLDER}")
