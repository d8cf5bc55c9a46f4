"""What plain objects hold, as messages of rclpy."""

from types import SimpleNamespace
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue


def filled(kind: Any, source: Any) -> Any:
    """A message of rclpy with what a plain object of the same names holds."""
    message = kind()
    for name, value in vars(source).items():
        if isinstance(value, SimpleNamespace):
            setattr(message, name, filled(type(getattr(message, name)), value))
        elif kind is DiagnosticArray:
            pairs = [KeyValue(key=pair.key, value=pair.value) for pair in value[0].values]
            message.status = [DiagnosticStatus(values=pairs)]
        else:
            setattr(message, name, value)
    return message
