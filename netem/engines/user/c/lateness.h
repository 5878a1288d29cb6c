/* How late frames leave: the same buckets as in netem/pipeline/lateness.py. */
#ifndef NETEM_LATENESS_H
#define NETEM_LATENESS_H

#include <stdint.h>

enum {
    LATENESS_FINE_BITS = 4, /* 16 buckets for each power of two */
    LATENESS_BUCKETS = (64 - LATENESS_FINE_BITS) << LATENESS_FINE_BITS,
};

struct lateness {
    int64_t max_ns;
    int64_t buckets[LATENESS_BUCKETS];
};

/* Count a frame that leaves `late_ns` after its due time. A time below 0 counts as 0. */
void lateness_record(struct lateness *lateness, int64_t late_ns);

#endif
