"""Where MAVLink goes: the parameter `mavlink_url` read."""

from __future__ import annotations

from dataclasses import dataclass

from promptmid_core.errors import InputError

FORMS = "udpout:HOST:PORT, udpin:HOST:PORT or DEVICE:BAUD, such as udpout:127.0.0.1:14550 or /dev/ttyACM0:921600"
MOST_PORT, MOST_BAUD = 65535, 12_000_000


@dataclass(frozen=True)
class UdpAddress:
    """A socket: one that is sent to, or with `listens` one that waits for the other side and answers it."""

    host: str
    port: int
    listens: bool


@dataclass(frozen=True)
class SerialAddress:
    """A serial line."""

    device: str
    baud: int


def address_of(url: str) -> UdpAddress | SerialAddress:
    """Return what a `mavlink_url` names. Raises InputError where it is none of FORMS."""
    if not url:
        raise InputError(f"parameter mavlink_url is empty; set it to {FORMS}")
    head, _, number = url.rpartition(":")
    kind, _, host = head.partition(":")
    if kind in ("udpout", "udpin") and host and _within(number, MOST_PORT):
        return UdpAddress(host, int(number), kind == "udpin")
    if head.startswith("/") and _within(number, MOST_BAUD):
        return SerialAddress(head, int(number))
    raise InputError(f"parameter mavlink_url is '{url}'; it has to be {FORMS}")


def _within(text: str, most: int) -> bool:
    return text.isascii() and text.isdigit() and 0 < int(text) <= most
