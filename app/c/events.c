/* See events.h. The text is formatted by hand: printf() would cost more than some of the calls that are logged. */
#include "events.h"

#include "conn.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* "connect," and four numbers of at most 20 digits, each with its separator. */
#define LINE_BYTES (8u + 4u * 21u)

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t monotonic_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

static const char digit_pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
                            "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
                            "8081828384858687888990919293949596979899";

static char *put_number(char *end, uint64_t value)
{
    char digits[20];
    size_t at = sizeof(digits);

    for (; value >= 100; value /= 100) {
        at -= 2;
        memcpy(digits + at, digit_pairs + 2 * (value % 100), 2);
    }
    if (value >= 10) {
        at -= 2;
        memcpy(digits + at, digit_pairs + 2 * value, 2);
    } else {
        digits[--at] = (char)('0' + value);
    }
    memcpy(end, digits + at, sizeof(digits) - at);
    return end + sizeof(digits) - at;
}

/* The digits of a time without its last six, the only ones that change within a millisecond. */
struct stem {
    uint64_t ms;
    size_t length;
    char digits[20];
};

static char *put_time(char *end, uint64_t ns, struct stem *stem)
{
    const uint64_t ms = ns / 1000000;
    const uint32_t rest = (uint32_t)(ns % 1000000);

    if (ms == 0) /* a time below 1 ms has fewer than seven digits */
        return put_number(end, ns);
    if (ms != stem->ms) {
        stem->ms = ms;
        stem->length = (size_t)(put_number(stem->digits, ms) - stem->digits);
    }
    memcpy(end, stem->digits, sizeof(stem->digits)); /* copying all of it is faster than copying the exact length */
    end += stem->length;
    memcpy(end, digit_pairs + 2 * (rest / 10000), 2);
    memcpy(end + 2, digit_pairs + 2 * (rest / 100 % 100), 2);
    memcpy(end + 4, digit_pairs + 2 * (rest % 100), 2);
    return end + 6;
}

static char *put_event(char *end, const struct event *event, struct stem *stem)
{
    static const char names[][9] = {"connect,", "accept,", "write,", "read,", "sleep,", "eof,", "close,"};
    static const size_t lengths[] = {8, 7, 6, 5, 6, 4, 6};

    memcpy(end, names[event->op], sizeof(names[0]));
    end = put_time(end + lengths[event->op], event->start_ns, stem);
    *end++ = ',';
    end = put_time(end, event->end_ns, stem);
    *end++ = ',';
    end = put_number(end, event->bytes);
    *end++ = ',';
    end = put_number(end, event->total_bytes);
    *end++ = '\n';
    return end;
}

static void fail(struct event_log *log, int error)
{
    log->error = error;
    close(log->fd);
    log->fd = -1;
}

static void flush(struct event_log *log)
{
    struct stem stem = {.ms = 0};
    char *end = log->text;

    for (size_t i = 0; i < log->count; i++)
        end = put_event(end, &log->batch[i], &stem);
    log->count = 0;
    if (write_all(log->fd, log->text, (size_t)(end - log->text)) != 0)
        fail(log, errno);
}

/* Create the file and write its first lines. Returns 0, or -1 with errno set. */
static int begin(struct event_log *log, const char *path)
{
    char head[128];
    int length;

    log->batch = malloc(EVENT_BATCH * sizeof(*log->batch));
    log->text = malloc(EVENT_BATCH * LINE_BYTES);
    if (log->batch == NULL || log->text == NULL)
        return -1;
    log->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (log->fd < 0)
        return -1;
    length = snprintf(head, sizeof(head), "# realtime_offset_ns=%" PRId64 "\nop,start_ns,end_ns,bytes,total_bytes\n",
                      (int64_t)(clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC)));
    return write_all(log->fd, head, (size_t)length);
}

/* Free everything and disable the log. Keeps errno. */
static void reset(struct event_log *log)
{
    const int error = errno;

    if (log->fd >= 0)
        close(log->fd);
    free(log->batch);
    free(log->text);
    *log = (struct event_log){.fd = -1};
    errno = error;
}

int event_log_open(struct event_log *log, const char *path)
{
    *log = (struct event_log){.fd = -1};
    if (path == NULL || begin(log, path) == 0)
        return 0;
    reset(log);
    return -1;
}

void event_log_add(struct event_log *log, enum event_op op, uint64_t start_ns, uint64_t end_ns, uint64_t bytes,
                   uint64_t total_bytes)
{
    if (log->fd < 0)
        return;
    log->batch[log->count++] = (struct event){start_ns, end_ns, bytes, total_bytes, op};
    if (log->count == EVENT_BATCH)
        flush(log);
}

void event_log_flush(struct event_log *log)
{
    if (log->fd >= 0 && log->count > 0)
        flush(log);
}

int event_log_close(struct event_log *log)
{
    event_log_flush(log);
    errno = log->error;
    const int result = log->error == 0 ? 0 : -1;
    reset(log);
    return result;
}
