#include "admission.h"

enum { TO_BAD, TO_GOOD, GOOD_LOSS, BAD_SURVIVAL };                   /* thresholds of LOSS_GILBERT_ELLIOTT */
enum { P13, P31, P32, P23, P14 };                                   /* thresholds of LOSS_STATE */
enum { GOOD_GAP = 1, GOOD_BURST = 2, LOST_BURST = 3, LOST_GAP = 4 }; /* its states */

/* Whether an event of this probability occurs; an impossible one draws nothing. */
static bool occurs(uint64_t threshold, struct draws *draws)
{
    return threshold > 0 && threshold >= draws_next(draws);
}

bool duplicate_drawn(struct duplicate *duplicate)
{
    return duplicate->on && occurs(duplicate->threshold, &duplicate->draws);
}

static bool gilbert_elliott(struct loss *loss)
{
    const uint64_t *thresholds = loss->thresholds;
    if (!loss->state) {
        loss->state = draws_next(&loss->draws) < thresholds[TO_BAD];
        return draws_next(&loss->draws) < thresholds[GOOD_LOSS];
    }
    loss->state = !(draws_next(&loss->draws) < thresholds[TO_GOOD]);
    return draws_next(&loss->draws) > thresholds[BAD_SURVIVAL];
}

static int64_t next_state(int64_t state, const uint64_t *thresholds, uint64_t drawn)
{
    switch (state) {
    case GOOD_GAP:
        if (drawn < thresholds[P14])
            return LOST_GAP;
        return drawn < thresholds[P14] + thresholds[P13] ? LOST_BURST : GOOD_GAP;
    case GOOD_BURST:
        return drawn < thresholds[P23] ? LOST_BURST : GOOD_BURST;
    case LOST_BURST:
        if (drawn < thresholds[P32])
            return GOOD_BURST;
        return drawn < thresholds[P32] + thresholds[P31] ? GOOD_GAP : LOST_BURST;
    default:
        return GOOD_GAP;
    }
}

bool loss_drawn(struct loss *loss)
{
    if (!loss->on)
        return false;
    if (loss->model == LOSS_RANDOM)
        return occurs(loss->thresholds[0], &loss->draws);
    if (loss->model == LOSS_GILBERT_ELLIOTT)
        return gilbert_elliott(loss);
    loss->state = next_state(loss->state, loss->thresholds, draws_next(&loss->draws));
    return loss->state == LOST_BURST || loss->state == LOST_GAP;
}
