/* The Mersenne Twister MT19937 (Matsumoto and Nishimura 1998), as random.Random has it: the same state, the same draws. */
#ifndef NETEM_MT19937_H
#define NETEM_MT19937_H

#include <stdint.h>

enum { MT_WORDS = 624 };

struct mt19937 {
    uint32_t words[MT_WORDS];
    uint32_t position; /* of the next word, MT_WORDS: none is left. As in Random.getstate, it follows the words. */
};

/* Return what getrandbits(32) returns. */
uint32_t mt_bits(struct mt19937 *rng);
/* Return what random() returns. */
double mt_uniform(struct mt19937 *rng);

#endif
