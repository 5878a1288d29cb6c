#include "frame.h"

#include <string.h>

enum { ARP = 0x0806, IPV4 = 0x0800, IPV6 = 0x86DD, VLAN = 0x8100, SERVICE_VLAN = 0x88A8 };
enum { ICMPV6 = 58, ND_FIRST = 133, ND_LAST = 137, GSO_UDP_L4 = 5, GSO_ECN = 0x80 };

static unsigned get16(const struct buffer *buffer, size_t at)
{
    return at + 2 <= buffer->length ? (unsigned)buffer->data[at] << 8 | buffer->data[at + 1] : 0;
}

bool frame_is_neighbour_discovery(const struct buffer *buffer)
{
    size_t at = VNET_HEADER_BYTES + 12;
    unsigned ethertype = get16(buffer, at);
    bool tagged = false, twice = false;
    while (ethertype == VLAN || ethertype == SERVICE_VLAN) {
        twice = tagged;
        tagged = true;
        at += 4;
        ethertype = get16(buffer, at);
    }
    if (ethertype == ARP)
        return !twice;
    at += 2;
    return ethertype == IPV6 && buffer->length > at + 40 && buffer->data[at + 6] == ICMPV6 &&
           buffer->data[at + 40] >= ND_FIRST && buffer->data[at + 40] <= ND_LAST;
}

int64_t frame_wire_bytes(const struct buffer *buffer)
{
    int64_t size = (int64_t)buffer->length - VNET_HEADER_BYTES;
    if (size <= 0 || buffer->data[1] == 0)
        return size;
    uint16_t segment_bytes, transport;
    memcpy(&segment_bytes, buffer->data + 4, sizeof segment_bytes);
    memcpy(&transport, buffer->data + 6, sizeof transport);
    if (segment_bytes == 0 || size <= transport + 13)
        return size;
    bool udp = (buffer->data[1] & ~GSO_ECN) == GSO_UDP_L4;
    int64_t headers = transport + (udp ? 8 : 4 * (buffer->data[VNET_HEADER_BYTES + transport + 12] >> 4));
    int64_t segments = size > headers ? (size - headers + segment_bytes - 1) / segment_bytes : 1;
    return size + (segments - 1) * headers;
}
