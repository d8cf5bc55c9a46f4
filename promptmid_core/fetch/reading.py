"""The files of a static catalogue, on this machine or another one, within limits."""

from __future__ import annotations

import json
import time
import urllib.request
from functools import cache
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit

from promptmid_core.errors import InputError
from promptmid_core.files import read_regular

MOST_BYTES = 64 * 2**20
TIMEOUT_S = 60
TRIES, WAIT_S = 3, 1.0
OVERLOADED = (429, 500, 502, 503, 504)


def is_remote(address: str) -> bool:
    """Return whether an address is of HTTP, or, as of a public bucket, of S3. Raises InputError where it is of anything else but
    a file."""
    scheme = urlsplit(address).scheme
    if scheme in ("http", "https", "s3"):
        return True
    if scheme in ("", "file"):
        return False
    raise InputError(f"{address} is of no kind that is read; give an address of http, https, s3 or file")


def local(address: str) -> Path:
    """Return the file that an address of this machine names."""
    parts = urlsplit(address)
    return Path(unquote(parts.path)) if parts.scheme else Path(address)


def by_http(address: str) -> str:
    """Return the address by which HTTP reads it: that of a public bucket for one of S3."""
    parts = urlsplit(address)
    return f"https://{parts.netloc}.s3.amazonaws.com{parts.path}" if parts.scheme == "s3" else address


def read_text(address: str) -> str:
    """Return the text of a file of a catalogue. Raises InputError, in one sentence, where it cannot be reached or read."""
    if not is_remote(address):
        return read_regular(local(address), MOST_BYTES, "name the file of a STAC catalogue").decode(errors="replace")
    for count in range(TRIES):
        try:
            with urllib.request.urlopen(by_http(address), timeout=TIMEOUT_S) as answer:
                content: bytes = answer.read(MOST_BYTES + 1)
            break
        except HTTPError as error:
            if error.code not in OVERLOADED or count == TRIES - 1:
                raise InputError(f"{address} answers {error.code} {error.reason}; name the address of a STAC "
                                 "catalogue") from error
        except (URLError, OSError, ValueError) as error:
            if count == TRIES - 1 or isinstance(error, ValueError):
                raise unreachable(address, error) from error
        time.sleep(WAIT_S * 2**count)
    if len(content) > MOST_BYTES:
        raise InputError(f"{address} holds more than {MOST_BYTES} bytes, which no file of a catalogue does; name a STAC "
                         "catalogue")
    return content.decode(errors="replace")


def read_values(address: str) -> dict[str, Any]:
    """Return the JSON object at an address. Raises InputError where there is none."""
    try:
        values = json.loads(read_text(address))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{address} is no JSON; name the address of a STAC catalogue, as .../catalog.json") from error
    if not isinstance(values, dict):
        raise InputError(f"{address} is no STAC catalogue; name the address of one, as .../catalog.json")
    return values


def unreachable(address: str, error: BaseException) -> InputError:
    """Return what to raise where the network, or a server, does not answer."""
    reason = " ".join(str(getattr(error, "reason", None) or error).split())
    return InputError(f"{address} cannot be reached ({reason:.300}); look to the network, or name a catalogue on this machine "
                      "with --catalog file:///...")


@cache
def reader(remote: bool) -> Any:
    """Return what pystac reads with; a `remote` catalogue leads to no file of this machine."""
    import pystac

    class Reader(pystac.StacIO):
        def read_text(self, source: Any, *_: Any, **__: Any) -> str:
            address = str(source)
            if remote and not is_remote(address):
                raise InputError(f"a catalogue of the network leads to {address} on this machine, which is not read")
            return read_text(address)

        def write_text(self, dest: Any, txt: str, *_: Any, **__: Any) -> None:
            raise NotImplementedError

    return Reader()
