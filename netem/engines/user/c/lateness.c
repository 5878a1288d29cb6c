#include "lateness.h"

static int bit_length(uint64_t value)
{
    return value == 0 ? 0 : 64 - __builtin_clzll(value);
}

void lateness_record(struct lateness *lateness, int64_t late_ns)
{
    uint64_t value = late_ns > 0 ? (uint64_t)late_ns : 0;
    int shift = bit_length(value) - LATENESS_FINE_BITS - 1;
    uint64_t bucket = shift > 0 ? ((uint64_t)shift << LATENESS_FINE_BITS) + (value >> shift) : value;
    lateness->buckets[bucket]++;
    if (late_ns > lateness->max_ns)
        lateness->max_ns = late_ns;
}
