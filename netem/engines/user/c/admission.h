/* Which packets are duplicated and lost. The reference is netem/pipeline/duplicate.py and loss.py. */
#ifndef NETEM_ADMISSION_H
#define NETEM_ADMISSION_H

#include "draws.h"

#include <stdbool.h>
#include <stdint.h>

enum loss_model { LOSS_RANDOM, LOSS_GILBERT_ELLIOTT, LOSS_STATE };
enum { LOSS_THRESHOLDS = 5 };

/* lane_state.py mirrors both. A stage that is not `on` draws nothing. */
struct duplicate {
    int64_t on;
    uint64_t threshold;
    struct draws draws;
};

struct loss {
    int64_t on, model;
    uint64_t thresholds[LOSS_THRESHOLDS]; /* in the order of loss.py */
    int64_t state;
    struct draws draws;
};

bool duplicate_drawn(struct duplicate *duplicate);
/* Decide about the next packet, even about one that is dropped anyhow. */
bool loss_drawn(struct loss *loss);

#endif
