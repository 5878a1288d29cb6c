"""The devices of the user engine: a TAP that delivers the kernel's frames, and a packet socket that sends them.

Both use the 10-byte virtio-net header, so checksum and segmentation offload survive the path through user space and a
64 kB super-packet stays one frame. Numbers are from if_tun.h, sockios.h, if_packet.h and ethtool.h below linux/.
"""

import ctypes
import fcntl
import os
import socket
import struct

from netem.contract.errors import from_os_error

VNET_HEADER_BYTES = 10
MAX_FRAME_BYTES = 65_536 + 512
"""The largest GSO packet of a TAP (gso_max_size 65536), its link header and the virtio header."""

TAP_MTU = 1000
"""Below IPV6_MIN_MTU (1280) the kernel enables no IPv6 on a device, so the TAP sends no frames of its own. Redirected
frames may be longer. (The sysctl is no alternative: /proc/sys is read-only in a container.)"""
TAP_QUEUE_FRAMES = 20_000
"""Queue length of the TAP; the kernel's default of 500 overflows while Python is scheduled out for a few ms."""

_TUNSETIFF = 0x400454CA
_TUNSETPERSIST = 0x400454CB
_TUNSETOFFLOAD = 0x400454D0
_IFF_TAP, _IFF_NO_PI, _IFF_VNET_HDR = 0x0002, 0x1000, 0x4000
_TUN_F_CSUM, _TUN_F_TSO4, _TUN_F_TSO6, _TUN_F_TSO_ECN = 0x01, 0x02, 0x04, 0x08
_SIOCGIFFLAGS, _SIOCSIFFLAGS = 0x8913, 0x8914
_SIOCSIFMTU, _SIOCSIFTXQLEN = 0x8922, 0x8943
_IFF_UP, _IFF_MULTICAST = 0x0001, 0x1000
_SOL_PACKET, _PACKET_VNET_HDR, _PACKET_QDISC_BYPASS = 263, 15, 20
_SO_SNDBUFFORCE = 32
_SEND_BUFFER_BYTES = 16 * 1024 * 1024
_NAME_FLAGS = struct.Struct("16sH14x")
_SIOCETHTOOL, _ETHTOOL_GTSO = 0x8946, 0x1E
_NAME_POINTER = struct.Struct("@16sP16x")
_NAME_NUMBER = struct.Struct("16si12x")

_TUN_HINT = "start the container with the device /dev/net/tun and the capability NET_ADMIN"


def open_tap(name: str, *, super_packets: bool) -> int:
    """Create the TAP `name`, up and without addresses; closing the descriptor removes it. Raises SidecarError."""
    try:
        fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise from_os_error("open /dev/net/tun", error, _TUN_HINT) from error
    try:
        fcntl.ioctl(fd, _TUNSETIFF, _NAME_FLAGS.pack(name.encode(), _IFF_TAP | _IFF_NO_PI | _IFF_VNET_HDR))
        announce_offloads(fd, super_packets=super_packets)
        _bring_up(name)
    except OSError as error:
        os.close(fd)
        raise from_os_error(f"create the TAP {name}", error, _TUN_HINT) from error
    return fd


def announce_offloads(fd: int, *, super_packets: bool) -> None:
    """Announce to the kernel which offloads the reader of a TAP supports, from the next frame on.

    Without `super_packets` the kernel segments frames before the engine reads them: one decision per wire segment.
    """
    segmentation = _TUN_F_TSO4 | _TUN_F_TSO6 | _TUN_F_TSO_ECN if super_packets else 0
    fcntl.ioctl(fd, _TUNSETOFFLOAD, _TUN_F_CSUM | segmentation)


def can_segment(device: str) -> bool:
    """Return whether a device segments super-packets itself; past the queueing discipline nothing else would."""
    request = struct.pack("=II", _ETHTOOL_GTSO, 0)
    memory = ctypes.create_string_buffer(request, len(request))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        try:
            fcntl.ioctl(control, _SIOCETHTOOL, _NAME_POINTER.pack(device.encode(), ctypes.addressof(memory)))
        except OSError:
            return False
    _, segments = struct.unpack("=II", memory.raw)
    return bool(segments)


def make_persistent(fd: int) -> None:
    """Keep the TAP until its namespace ends: closing it would wait for the kernel to unregister it (16 ms)."""
    fcntl.ioctl(fd, _TUNSETPERSIST, 1)


def _bring_up(name: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFMTU, _NAME_NUMBER.pack(name.encode(), TAP_MTU))
        fcntl.ioctl(control, _SIOCSIFTXQLEN, _NAME_NUMBER.pack(name.encode(), TAP_QUEUE_FRAMES))
        reply = fcntl.ioctl(control, _SIOCGIFFLAGS, _NAME_FLAGS.pack(name.encode(), 0))
        flags = (_NAME_FLAGS.unpack(reply)[1] | _IFF_UP) & ~_IFF_MULTICAST
        fcntl.ioctl(control, _SIOCSIFFLAGS, _NAME_FLAGS.pack(name.encode(), flags))


def open_packet_socket(device: str) -> socket.socket:
    """Open a socket that sends frames on `device` past its queueing discipline and its egress filters.

    It receives nothing (protocol 0). Raises SidecarError.
    """
    hint = "give the container NET_RAW and NET_ADMIN, and check NETEM_DEVICE"
    try:
        sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
    except OSError as error:
        raise from_os_error("open a packet socket", error, hint) from error
    try:
        sender.setsockopt(_SOL_PACKET, _PACKET_VNET_HDR, 1)
        sender.setsockopt(_SOL_PACKET, _PACKET_QDISC_BYPASS, 1)
        sender.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, _SEND_BUFFER_BYTES)
        sender.bind((device, 0))
    except OSError as error:
        sender.close()
        raise from_os_error(f"send frames on {device}", error, hint) from error
    return sender


def interface_statistic(device: str, counter: str) -> int:
    """Read one counter of a network device, such as `tx_dropped`; 0 if the device is gone."""
    try:
        with open(f"/sys/class/net/{device}/statistics/{counter}", encoding="ascii") as file:  # noqa: PTH123 - no pathlib on a path read often
            return int(file.read())
    except OSError:
        return 0
