/* SHA-256 (FIPS 180-4), incremental. No I/O, no allocation. */
#ifndef TESTBED_SHA256_H
#define TESTBED_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_BYTES 32
#define SHA256_HEX_BYTES (2 * SHA256_BYTES + 1) /* with the NUL */

struct sha256 {
    uint32_t state[8];
    uint64_t total_bytes;
    uint8_t block[64]; /* the first total_bytes % 64 bytes are in use */
};

void sha256_init(struct sha256 *sha);
void sha256_update(struct sha256 *sha, const void *data, size_t size);

/* Finish; call sha256_init() before using the struct again. */
void sha256_final(struct sha256 *sha, uint8_t digest[SHA256_BYTES]);

/* Finish, and write the digest as lower-case hexadecimal digits. */
void sha256_final_hex(struct sha256 *sha, char text[SHA256_HEX_BYTES]);

#endif
