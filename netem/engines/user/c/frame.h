/* What the lane has to know about a frame. The reference is netem/pipeline/frame.py. */
#ifndef NETEM_FRAME_H
#define NETEM_FRAME_H

#include "buffer.h"

enum { VNET_HEADER_BYTES = 10 };

/* Whether it is ARP or ICMPv6 133 to 137. */
bool frame_is_neighbour_discovery(const struct buffer *buffer);
/* Its bytes on the wire: the headers of every segment of a super-packet included. */
int64_t frame_wire_bytes(const struct buffer *buffer);

#endif
