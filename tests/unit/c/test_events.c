#include "events.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/test_events.XXXXXX";

static int make_file(void **state)
{
    (void)state;
    const int fd = mkstemp(path);
    close(fd);
    return fd < 0 ? -1 : 0;
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static void check_head(FILE *file)
{
    struct timespec realtime;
    char line[128];
    uint64_t offset_ns;

    assert_non_null(fgets(line, sizeof(line), file));
    assert_int_equal(sscanf(line, "# realtime_offset_ns=%" SCNu64 "\n", &offset_ns), 1);
    clock_gettime(CLOCK_REALTIME, &realtime);
    const int64_t error_ns = (int64_t)(monotonic_ns() + offset_ns) -
                             ((int64_t)realtime.tv_sec * 1000000000 + realtime.tv_nsec);
    assert_true(error_ns > -1000000000 && error_ns < 1000000000);
    assert_non_null(fgets(line, sizeof(line), file));
    assert_string_equal(line, "op,start_ns,end_ns,bytes,total_bytes\n");
}

static void every_op_and_number(void **state)
{
    static const char *const expected[] = {
        "connect,0,9,10,99\n",
        "accept,100,101,18446744073709551615,18446744073709551614\n",
        "write,999,1000,1001,9999\n",
        "read,10000,99999,100000,1000000007\n",
        "sleep,1,2,0,0\n",
        "eof,12345678901234567890,12345678901234567891,0,5\n",
        "close,1,1,0,5\n",
    };
    struct event_log log;
    char line[128];

    (void)state;
    assert_int_equal(event_log_open(&log, path), 0);
    event_log_add(&log, EVENT_CONNECT, 0, 9, 10, 99);
    event_log_add(&log, EVENT_ACCEPT, 100, 101, UINT64_MAX, UINT64_MAX - 1);
    event_log_add(&log, EVENT_WRITE, 999, 1000, 1001, 9999);
    event_log_add(&log, EVENT_READ, 10000, 99999, 100000, 1000000007);
    event_log_add(&log, EVENT_SLEEP, 1, 2, 0, 0);
    event_log_add(&log, EVENT_EOF, 12345678901234567890u, 12345678901234567891u, 0, 5);
    event_log_add(&log, EVENT_CLOSE, 1, 1, 0, 5);
    assert_int_equal(event_log_close(&log), 0);
    FILE *file = fopen(path, "r");
    check_head(file);
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        assert_non_null(fgets(line, sizeof(line), file));
        assert_string_equal(line, expected[i]);
    }
    assert_null(fgets(line, sizeof(line), file));
    fclose(file);
}

/* More events than a batch holds, with the longest lines: none is lost, none is out of order. */
static void batches(void **state)
{
    const uint64_t events = 3 * EVENT_BATCH + 17;
    struct event_log log;
    char line[128];
    uint64_t number = 0;

    (void)state;
    assert_int_equal(event_log_open(&log, path), 0);
    for (uint64_t i = 0; i < events; i++)
        event_log_add(&log, EVENT_CONNECT, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX - i);
    assert_int_equal(event_log_close(&log), 0);
    FILE *file = fopen(path, "r");
    check_head(file);
    for (; fgets(line, sizeof(line), file) != NULL; number++) {
        uint64_t total_bytes;
        assert_int_equal(sscanf(line, "connect,18446744073709551615,18446744073709551615,18446744073709551615,%" SCNu64,
                                &total_bytes),
                         1);
        assert_int_equal(total_bytes, UINT64_MAX - number);
    }
    assert_int_equal(number, events);
    fclose(file);
}

static void no_log(void **state)
{
    struct event_log log;

    (void)state;
    assert_int_equal(event_log_open(&log, NULL), 0);
    for (uint64_t i = 0; i < 2 * EVENT_BATCH; i++)
        event_log_add(&log, EVENT_READ, i, i, 1, i);
    assert_int_equal(event_log_close(&log), 0);
}

static void a_log_that_fails_to_open_is_disabled(void **state)
{
    struct event_log log;

    (void)state;
    assert_int_equal(event_log_open(&log, "/nowhere/events.csv"), -1);
    assert_int_equal(errno, ENOENT);
    event_log_add(&log, EVENT_READ, 1, 1, 1, 1);
    assert_int_equal(event_log_close(&log), 0);
    assert_int_equal(event_log_open(&log, "/dev/full"), -1);
    assert_int_equal(errno, ENOSPC);
    assert_int_equal(event_log_close(&log), 0);
}

/* The file accepts its first lines and no more. */
static void lost_events_are_reported(void **state)
{
    const struct rlimit before = {RLIM_INFINITY, RLIM_INFINITY};
    const struct rlimit small = {200, RLIM_INFINITY};
    struct event_log log;

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(event_log_open(&log, path), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    for (uint64_t i = 0; i < 2 * EVENT_BATCH; i++)
        event_log_add(&log, EVENT_READ, i, i, 1, i);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(log.fd, -1);
    assert_int_equal(event_log_close(&log), -1);
    assert_int_equal(errno, EFBIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_op_and_number), cmocka_unit_test(batches),
        cmocka_unit_test(no_log),              cmocka_unit_test(a_log_that_fails_to_open_is_disabled),
        cmocka_unit_test(lost_events_are_reported),
    };

    return cmocka_run_group_tests(tests, make_file, remove_file);
}
