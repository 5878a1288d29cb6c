#include "sha256.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void check(const char *message, const char *expected)
{
    struct sha256 sha;
    char digest[SHA256_HEX_BYTES];

    sha256_init(&sha);
    sha256_update(&sha, message, strlen(message));
    sha256_final_hex(&sha, digest);
    assert_string_equal(digest, expected);
}

/* The example messages that NIST publishes for FIPS 180-4. */
static void standard_messages(void **state)
{
    (void)state;
    check("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    check("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    check("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    check("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrst"
          "nopqrstu",
          "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
}

static void million_times_a(void **state)
{
    struct sha256 sha;
    char digest[SHA256_HEX_BYTES];
    char block[1000];

    (void)state;
    memset(block, 'a', sizeof(block));
    sha256_init(&sha);
    for (int i = 0; i < 1000; i++)
        sha256_update(&sha, block, sizeof(block));
    sha256_final_hex(&sha, digest);
    assert_string_equal(digest, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* The digest does not depend on how a message is split: every length around the ends of a block, every split. */
static void any_split(void **state)
{
    (void)state;
    for (size_t size = 0; size <= 130; size++) {
        uint8_t *message = malloc(size + 1);
        uint8_t whole[SHA256_BYTES];
        uint8_t parts[SHA256_BYTES];
        struct sha256 sha;
        for (size_t i = 0; i < size; i++)
            message[i] = (uint8_t)(i * 7);
        sha256_init(&sha);
        sha256_update(&sha, message, size);
        sha256_final(&sha, whole);
        for (size_t cut = 0; cut <= size; cut++) {
            sha256_init(&sha);
            sha256_update(&sha, message, cut);
            sha256_update(&sha, message + cut, size - cut);
            sha256_final(&sha, parts);
            assert_memory_equal(whole, parts, sizeof(whole));
        }
        free(message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(standard_messages),
        cmocka_unit_test(million_times_a),
        cmocka_unit_test(any_split),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
