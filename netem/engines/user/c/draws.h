/* Sources of 32-bit draws. The reference is netem/pipeline/correlation.py. */
#ifndef NETEM_DRAWS_H
#define NETEM_DRAWS_H

#include "mt19937.h"

#include <stdint.h>

enum draws_kind { DRAWS_INDEPENDENT, DRAWS_KERNEL, DRAWS_TRUE };

/* lane_state.py mirrors it. */
struct draws {
    int64_t kind;
    uint64_t weight;    /* DRAWS_KERNEL: of the last number, at most 2^32 */
    double correlation; /* DRAWS_TRUE: the probability of a repetition */
    uint64_t last;
    struct mt19937 rng;
};

uint32_t draws_next(struct draws *draws);

#endif
