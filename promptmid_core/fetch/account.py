"""Accounts: what has to be added to the address of an asset before it may be read."""

from __future__ import annotations

import json
import os
import time
import urllib.request
from dataclasses import dataclass, field
from datetime import datetime
from math import inf
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from promptmid_core.errors import InputError

KEY_VARIABLE = "PC_SDK_SUBSCRIPTION_KEY"
TOKENS = "https://planetarycomputer.microsoft.com/api/sas/v1/token"
STORE = ".blob.core.windows.net"
SPARE_S = 300  # a token is asked for anew before it ends
TIMEOUT_S = 60


class AccountNeeded(InputError):
    """No asset of a container can be read: the key is missing or not taken, or tokens cannot be asked for."""


@dataclass
class Account:
    """Tokens of the Planetary Computer, by storage account and container; `tokens` is where they are asked for.

    Open collections need no key; others take the one of the environment variable PC_SDK_SUBSCRIPTION_KEY. It is sent to that
    address alone, and neither it nor a token is ever written or told.
    """

    tokens: str = TOKENS
    store: str = STORE
    known: dict[str, tuple[float, str]] = field(default_factory=dict)

    def signed(self, address: str) -> str:
        """Return the address by which an asset may be read now. Raises InputError where the account does not allow it."""
        parts = urlsplit(address)
        if not (parts.hostname or "").endswith(self.store) or parts.query:
            return address
        place = f"{(parts.hostname or '').split('.')[0]}/{parts.path.lstrip('/').split('/')[0]}"
        until, token = self.known.get(place, (0.0, ""))
        if time.time() > until - SPARE_S:
            until, token = self.known[place] = self._asked(place)
        return f"{address}?{token}" if token else address

    def _asked(self, place: str) -> tuple[float, str]:
        key = os.environ.get(KEY_VARIABLE)
        request = urllib.request.Request(f"{self.tokens}/{place}", headers={"Ocp-Apim-Subscription-Key": key} if key else {})
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
                told = json.loads(answer.read(2**20))
            return datetime.fromisoformat(told["msft:expiry"]).timestamp(), str(told["token"])
        except HTTPError as error:
            if error.code == 404:
                return inf, ""  # a container of somebody else, which is public or cannot be read
            if error.code in (401, 403):
                whose = "does not take the key in" if key else "wants an account: put its key into"
                raise AccountNeeded(f"{self.tokens}/{place} {whose} the environment variable {KEY_VARIABLE} (docs/fetch.md, "
                                    '"Accounts")') from error
            raise InputError(f"{self.tokens}/{place} answers {error.code}; give the same command again later") from error
        except (URLError, TimeoutError, OSError) as error:
            raise AccountNeeded(f"{self.tokens} cannot be reached ({getattr(error, 'reason', error)}); look to the network and "
                                "give the same command again, which goes on") from error
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{self.tokens}/{place} answers with no token; give the same command again later") from error
