"""Write tc filters that match one UDP port, as text; both engines use them for the sidecars' own messages."""


def match_udp(add: str, port: int, *, preference: int) -> list[str]:
    """Match UDP from or to `port`, without options, extension headers or fragments, on both families.

    `add` is the beginning of a tc filter command; IPv6 takes the preference after that of IPv4.
    """
    ipv4 = f"{add} prio {preference} protocol ip u32 match u8 17 0xff at 9 match u8 0x45 0xff at 0"
    ipv4 += " match u16 0 0x1fff at 6"
    ipv6 = f"{add} prio {preference + 1} protocol ipv6 u32 match u8 17 0xff at 6"
    return [
        f"{rule} match u16 {port} 0xffff at {offset}"
        for rule, at in ((ipv4, 20), (ipv6, 40))
        for offset in (at, at + 2)
    ]
