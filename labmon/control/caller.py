"""Who asks: a name, a role and an address, made by the web for each request.

The trap: everybody who asks from this machine without logging in has the same name, and so holds
the same leases.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Role = Literal["viewer", "operator", "admin"]
ROLES: Final[tuple[Role, ...]] = ("viewer", "operator", "admin")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Attributes:
        who: name of the account, `local` or `anonymous`.
        role: viewers watch, operators command, admins configure.
        origin: the address asked from.
    """

    who: str
    role: Role
    origin: str = ""

    def may(self, role: Role) -> bool:
        """Whether this role, or a higher one, is the caller's."""
        return ROLES.index(self.role) >= ROLES.index(role)
