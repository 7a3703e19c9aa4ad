"""The port that a service listens on, and how a new process takes it over from an old one without a gap.

Two processes of one user may listen on one port where both ask for it (SO_REUSEPORT). Linux then gives each
listener a queue of its own and spreads new connections over them by a hash; what waits in a queue when its
listener closes is reset (unless net.ipv4.tcp_migrate_req is on, which by default it isn't), and so is a
handshake that is still under way. So nothing must be led there any more when the old process stops listening:
a classic BPF program of one instruction, attached to the group of listeners (SO_ATTACH_REUSEPORT_CBPF, Linux
4.5; needs no privilege), names the second listener of the group for every new connection. The old process
goes on accepting until its queue can only be empty, and closes then.

Elsewhere (macOS has SO_REUSEPORT, without a way to choose and without spreading evenly) connections go on
coming to both: the old process answers all that reach it until it ends.
"""

import ctypes
import platform
import socket
import struct
import sys
from dataclasses import dataclass

from campaign.domain.errors import SettingsError

_ATTACH_PROGRAM = 51
"""SO_ATTACH_REUSEPORT_CBPF of linux/asm-generic/socket.h; other machines than these may number otherwise."""
_MACHINES = frozenset({"x86_64", "aarch64", "riscv64", "i686", "armv7l"})
_SECOND = struct.pack("HBBI", 0x06, 0, 0, 1)
"""BPF_RET | BPF_K, 1: the group's second listener. When only one is left the number fits none, and Linux
falls back to its hash over that one."""


@dataclass(frozen=True, slots=True)
class Port:
    """A bound socket that doesn't listen yet.

    Args:
        shared: another process listens on the port too.
    """

    listener: socket.socket
    shared: bool

    @property
    def host(self) -> str:
        return str(self.listener.getsockname()[0])

    @property
    def number(self) -> int:
        return int(self.listener.getsockname()[1])


def bind(host: str, port: int, *, take_over: bool) -> Port:
    """Bind before anything else starts, so that a taken port is told at once.

    The port is bound for this process alone; only then is a successor allowed beside it. So a second service
    that is started by mistake is refused, even at the same moment.

    Args:
        take_over: share the port with the service that listens there, if one does.

    Raises:
        SettingsError: the port is taken, or can't be bound.
    """
    listener = _socket(host)
    shared = False
    try:
        try:
            listener.bind((host, port))
        except OSError:
            if not (take_over and port):
                raise
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listener.bind((host, port))
            shared = True
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    except OSError as error:
        listener.close()
        raise SettingsError(
            f"Cannot listen on {host} port {port}: {error.strerror}.",
            "The process there is no service of this user: end it, or choose another port with --port."
            if take_over
            else "Is the service running already? To replace it without losing a call: --take-over. "
            "Else choose another port with --port.",
        ) from None
    return Port(listener, shared)


def _socket(host: str) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return made


def lead_here(listener: socket.socket) -> bool:
    """Have all new connections come to this listener, the second one of its port.

    Args:
        listener: listening.

    Returns:
        whether the system can do that; if not, new connections go to both.
    """
    if sys.platform != "linux" or platform.machine() not in _MACHINES:
        return False
    program = ctypes.create_string_buffer(_SECOND)
    try:
        listener.setsockopt(
            socket.SOL_SOCKET, _ATTACH_PROGRAM, struct.pack("HL", 1, ctypes.addressof(program))
        )
    except OSError:
        return False
    return True
