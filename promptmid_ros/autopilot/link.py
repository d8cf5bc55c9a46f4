"""MAVLink over a wire: messages packed and parsed by pymavlink."""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from typing import Any

from promptmid_core.autopilot.address import SerialAddress, UdpAddress
from promptmid_core.errors import InputError, Unavailable
from promptmid_ros.autopilot.wires import Wire, open_wire

DIALECT = "pymavlink.dialects.v20.common"


def dialect() -> Any:
    """Return pymavlink's messages. Raises Unavailable where it is not installed."""
    try:
        return import_module(DIALECT)
    except ImportError as error:
        raise Unavailable("the process mavlink needs pymavlink, which is not installed: pip install "
                          "promptmid_ros[mavlink]") from error


class Link:
    """Sends messages by their names and fields; `problem`: why the last could not be sent, empty where it could.

    Raises InputError where the wire cannot be opened.
    """

    def __init__(self, address: UdpAddress | SerialAddress, system: int, component: int) -> None:
        self._address, self._dialect = address, dialect()
        self._wire: Wire | None = open_wire(address)
        self._mav = self._dialect.MAVLink(None, srcSystem=system, srcComponent=component)
        self._mav.robust_parsing = True
        self.problem = ""

    def has(self, name: str) -> bool:
        """Return whether the installed pymavlink knows a message."""
        return hasattr(self._dialect, _class_of(name))

    def send(self, kind: str, /, **fields: Any) -> bool:
        """Send a message, and return whether it went; what the wire refuses costs the message alone."""
        data = getattr(self._dialect, _class_of(kind))(**fields).pack(self._mav)
        self._mav.seq = (self._mav.seq + 1) % 256
        if self._wire is None:
            return False
        try:
            self._wire.write(data)
        except OSError as error:
            self._broke(error)
            return False
        self.problem = ""
        return True

    def received(self) -> list[Any]:
        """Return the messages that have come."""
        messages: list[Any] = []
        while self._wire is not None:
            try:
                data = self._wire.read()
            except OSError as error:
                self._broke(error)
                break
            if not data:
                break
            messages += self._mav.parse_buffer(data) or []
        return [message for message in messages if message.get_type() != "BAD_DATA"]

    def mend(self) -> None:
        """Open a wire again that broke, as a serial line that was unplugged; where it is still away `problem` says so."""
        if self._wire is None:
            try:
                self._wire = open_wire(self._address)
            except InputError as error:
                self.problem = str(error)

    def close(self) -> None:
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    def _broke(self, error: OSError) -> None:
        self.problem = f"the link broke: {error}"
        if isinstance(self._address, SerialAddress):
            with suppress(OSError):
                self.close()
            self._wire = None


def _class_of(name: str) -> str:
    return f"MAVLink_{name.lower()}_message"
