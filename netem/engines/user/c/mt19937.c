#include "mt19937.h"

enum { MIDDLE = 397 };

static uint32_t twisted(uint32_t high, uint32_t low)
{
    uint32_t mixed = (high & 0x80000000u) | (low & 0x7fffffffu);
    return mixed >> 1 ^ (mixed & 1 ? 0x9908b0dfu : 0);
}

static void refill(struct mt19937 *rng)
{
    uint32_t *words = rng->words;
    for (int i = 0; i < MT_WORDS; i++)
        words[i] = words[(i + MIDDLE) % MT_WORDS] ^ twisted(words[i], words[(i + 1) % MT_WORDS]);
    rng->position = 0;
}

uint32_t mt_bits(struct mt19937 *rng)
{
    if (rng->position >= MT_WORDS)
        refill(rng);
    uint32_t word = rng->words[rng->position++];
    word ^= word >> 11;
    word ^= word << 7 & 0x9d2c5680u;
    word ^= word << 15 & 0xefc60000u;
    return word ^ word >> 18;
}

double mt_uniform(struct mt19937 *rng)
{
    uint32_t high = mt_bits(rng) >> 5, low = mt_bits(rng) >> 6;
    return (high * 67108864.0 + low) * (1.0 / 9007199254740992.0); /* 2^26 and 2^53 */
}
