"""What becomes of recordings that others made: every bag of a folder read, its messages counted, or the sentence that refuses it.

    python -m benchmarks.corpus bags FOLDER [--json FILE]

A bag whose count is known, by the metadata.yaml of its folder or by a .json of the same name that lists its records, has to have
that many. Exit status 1 where one has another number, or ends in anything but a sentence.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from promptmid_core.bags.bag import open_bag
from promptmid_core.errors import InputError

ENDINGS = (".mcap", ".db3", ".bag")


def bags_in(folder: Path) -> Iterator[Path]:
    """Yield every recording below a folder: each folder of one as a whole, and each of its files alone."""
    for path in sorted(folder.rglob("*")):
        if path.is_dir():
            if any(file.suffix in ENDINGS or file.name == "metadata.yaml" for file in path.iterdir()):
                yield path
        elif path.suffix in ENDINGS:
            yield path


def known_count(path: Path) -> int | None:
    """Return how many messages a recording has by what lies beside it, None where nothing tells."""
    if path.is_dir() and (path / "metadata.yaml").is_file():
        return int(yaml.safe_load((path / "metadata.yaml").read_text())["rosbag2_bagfile_information"]["message_count"])
    records = path.with_suffix(".json")
    if path.is_file() and records.is_file():
        return sum(record["type"] == "Message" for record in json.loads(records.read_text())["records"])
    return None


def read(path: Path) -> dict[str, Any]:
    """Return what reading a recording came to: read, with its count, refused, with the sentence, or failed."""
    row: dict[str, Any] = {"bag": str(path), "known": known_count(path), "read": None, "outcome": "read", "sentence": ""}
    try:
        bag = open_bag(path)
        # the types of ROS 1 are in its bags, those of ROS 2 not in all
        stored = bag.messages if path.suffix == ".bag" else bag.serialized
        row["read"] = sum(1 for _ in stored(*bag.topics)) if bag.topics else 0
        indexed = sum(topic.count for topic in bag.recorded.values())
        if row["read"] != indexed or row["known"] not in (None, row["read"]):
            row |= {"outcome": "miscounted", "sentence": f"its index has {indexed}"}
    except InputError as error:
        text = str(error)
        row |= {"outcome": "refused" if "\n" not in text else "failed", "sentence": text}
    except Exception as error:
        row |= {"outcome": "failed", "sentence": f"{type(error).__name__}: {error}"}
    return row


def bags(folder: Path, out: Path | None) -> int:
    """Read every recording, print the table, and return the exit status."""
    rows = [read(path) for path in bags_in(folder)]
    for row in rows:
        count = "-" if row["read"] is None else row["read"]
        print(f"{row['outcome']:10} {count:>6}  {Path(row['bag']).relative_to(folder)}{': ' if row['sentence'] else ''}"
              f"{row['sentence']}")
    outcomes = [row["outcome"] for row in rows]
    print(", ".join(f"{outcomes.count(name)} {name}" for name in ("read", "refused", "miscounted", "failed")))
    if out:
        out.write_text(json.dumps(rows, indent=1))
    return int(any(outcome in ("miscounted", "failed") for outcome in outcomes) or not rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("bags",))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", type=Path, metavar="FILE", help="the rows of the table as JSON")
    args = parser.parse_args()
    return bags(args.folder, args.json)


if __name__ == "__main__":
    sys.exit(main())
