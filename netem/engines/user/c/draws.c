#include "draws.h"

#define FULL (UINT64_C(1) << 32)

uint32_t draws_next(struct draws *draws)
{
    switch (draws->kind) {
    case DRAWS_KERNEL: {
        /* at most (2^32 - 1) * 2^32 in all: no overflow */
        uint64_t sum = mt_bits(&draws->rng) * (FULL - draws->weight) + draws->last * draws->weight;
        draws->last = sum >> 32;
        break;
    }
    case DRAWS_TRUE:
        if (mt_uniform(&draws->rng) >= draws->correlation)
            draws->last = mt_bits(&draws->rng);
        break;
    default:
        return mt_bits(&draws->rng);
    }
    return (uint32_t)draws->last;
}
