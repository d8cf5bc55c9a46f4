"""DDS security in this environment, as ROS 2 reads it: whether a node would be in an enclave, or open to all on the network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ENABLE, STRATEGY = "ROS_SECURITY_ENABLE", "ROS_SECURITY_STRATEGY"
KEYSTORE, ENCLAVE = "ROS_SECURITY_KEYSTORE", "ROS_SECURITY_ENCLAVE_OVERRIDE"
OFF, ENFORCE = "off", "Enforce"
# in a folder of an enclave; keys and certificates may be in a token instead, which a file of the other suffix names
SIGNED = ("governance.p7s", "permissions.p7s")
IDENTITY = ("identity_ca.cert", "cert", "key", "permissions_ca.cert")
CURE = "make keystore and enclave as docs/security.md says"


@dataclass(frozen=True)
class DdsSecurity:
    """`enclave` that a node would be in, or "off"; what is wrong in one sentence, `problem`, and what is doubtful, `warning`."""

    enclave: str
    problem: str = ""
    warning: str = ""


def read_security(environment: Mapping[str, str]) -> DdsSecurity:
    """Return what the environment asks for, where the files that it names are there; the middleware looks into them."""
    enabled = environment.get(ENABLE, "")
    if enabled != "true":
        told = enabled.lower() not in ("", "false", "0", "no", "off")
        return DdsSecurity(OFF, f"{ENABLE} is '{enabled}', which ROS 2 takes for off; set it to true" if told else "")
    name = environment.get(ENCLAVE) or "/"
    problem = _missing(environment.get(KEYSTORE, ""), name)
    if problem:
        return DdsSecurity(OFF, problem)
    strategy = environment.get(STRATEGY, "")
    lax = f"{STRATEGY} is '{strategy}', not '{ENFORCE}': a process without an enclave is open to all; set it to {ENFORCE}"
    return DdsSecurity(name, warning="" if strategy == ENFORCE else lax)


def _missing(keystore: str, name: str) -> str:
    if not keystore:
        return f"{ENABLE} is true, but {KEYSTORE} names no keystore; {CURE}"
    if not name.startswith("/"):
        return f"{ENCLAVE} is '{name}'; the name of an enclave begins with a slash, as /localizer does"
    folder = Path(keystore, "enclaves", name[1:])
    if not folder.is_dir():
        return f"{folder}, the folder of the enclave {name}, is not there ({KEYSTORE}, {ENCLAVE}); {CURE}"
    missing = [file for file in SIGNED if not (folder / file).is_file()]
    missing += [f"{part}.pem" for part in IDENTITY
                if not any((folder / f"{part}{suffix}").is_file() for suffix in (".pem", ".p11"))]
    return f"{folder} lacks {', '.join(missing)}, so that no node can be in the enclave {name}; {CURE}" if missing else ""
