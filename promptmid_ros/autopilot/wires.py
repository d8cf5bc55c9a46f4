"""Bytes to and from an autopilot: over UDP, or over a serial line."""

from __future__ import annotations

import errno
import socket
from typing import Any, Protocol

from promptmid_core.autopilot.address import SerialAddress, UdpAddress
from promptmid_core.errors import InputError, Unavailable

MOST_BYTES = 65536
WRITE_S = 0.05  # longer than a serial line of 57600 baud takes for any message


class Wire(Protocol):
    """`read` never waits; both raise OSError where the other side cannot be reached."""

    def read(self) -> bytes: ...

    def write(self, data: bytes) -> None: ...

    def close(self) -> None: ...


class UdpWire:
    """Sends to an address, or answers whoever sent last."""

    def __init__(self, address: UdpAddress) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._to: Any = None if address.listens else (address.host, address.port)
        try:
            if address.listens:
                self._socket.bind((address.host, address.port))
            else:
                self._to = (socket.gethostbyname(address.host), address.port)
        except OSError as error:
            self._socket.close()
            named = f"udpin:{address.host}:{address.port}" if address.listens else address.host
            raise InputError(_refused(named, error)) from error
        self._listens = address.listens

    def read(self) -> bytes:
        try:
            data, sender = self._socket.recvfrom(MOST_BYTES)
        except (BlockingIOError, ConnectionRefusedError):
            return b""
        if self._listens:
            self._to = sender
        return data

    def write(self, data: bytes) -> None:
        if self._to is not None:
            self._socket.sendto(data, self._to)

    def close(self) -> None:
        self._socket.close()


class SerialWire:
    """A serial line, for this process alone."""

    def __init__(self, address: SerialAddress) -> None:
        try:
            import serial
        except ImportError as error:
            raise Unavailable("a serial line needs pyserial, which is not installed: pip install "
                              "promptmid_ros[mavlink]") from error
        try:
            self._port = serial.Serial(address.device, address.baud, timeout=0, write_timeout=WRITE_S, exclusive=True)
        except (OSError, ValueError) as error:
            raise InputError(_refused(address.device, error)) from error

    def read(self) -> bytes:
        return bytes(self._port.read(MOST_BYTES))

    def write(self, data: bytes) -> None:
        self._port.write(data)

    def close(self) -> None:
        self._port.close()


def open_wire(address: UdpAddress | SerialAddress) -> Wire:
    """Open it. Raises InputError where it cannot be, in use by another program among the reasons."""
    return UdpWire(address) if isinstance(address, UdpAddress) else SerialWire(address)


def _refused(what: str, error: Exception) -> str:
    busy = getattr(error, "errno", None) in (errno.EADDRINUSE, errno.EBUSY, errno.EAGAIN) or "lock port" in str(error)
    if busy:
        return f"parameter mavlink_url names {what}, which another program has in use; stop that, or name another port"
    return f"parameter mavlink_url names {what}, which cannot be opened: {error}; correct the parameter"
