/* See session.h. */
#define _GNU_SOURCE /* ppoll() */
#include "session.h"

#include "print.h"
#include "wire.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void report(const struct session *session, const char *kind, const struct wire_position *where,
                     const char *sentence)
{
    char position[WIRE_WHERE_BYTES];

    wire_describe(kind, where, position);
    fprintf(stderr, "server: peer %s: %s: %s\n", session->peer, position, sentence);
}

static void report_at_next_byte(const struct session *session, const struct wire_decoder *decoder, const char *kind,
                                   const char *sentence)
{
    const struct wire_position where = wire_position_next(decoder);

    report(session, kind, &where, sentence);
}

static void report_violation(const struct session *session, const struct wire_decoder *decoder)
{
    report(session, decoder->violation.kind, &decoder->violation.where, decoder->violation.sentence);
}

/* Sleep for the read delay, or until a stop is requested. ppoll() on the stop descriptor is as exact as nanosleep()
 * and misses no request. */
static void pause_reader(struct session *session)
{
    const uint64_t delay_us = session->options->read_delay_us;
    const struct timespec delay = {(time_t)(delay_us / 1000000), (long)(delay_us % 1000000) * 1000};
    struct pollfd stop = {.fd = session->stop->fd, .events = POLLIN};

    if (delay_us == 0)
        return;
    const uint64_t start_ns = monotonic_ns();
    while (ppoll(&stop, 1, &delay, NULL) < 0 && errno == EINTR)
        continue; /* signals are blocked in this thread, so none is delivered */
    event_log_add(&session->log, EVENT_SLEEP, start_ns, monotonic_ns(), 0, session->total_bytes);
}

/* Standard output is unusable: stop the server as a signal would, but with exit code 1. */
static void stop_after_output_failure(struct session *session)
{
    if (atomic_exchange(&session->stop->output_failed, true))
        return;
    fprintf(stderr, "server: write to standard output: %s\n", strerror(errno));
    kill(getpid(), SIGTERM);
}

/* Decode the bytes of one read, and print the lists that it completes. Returns 0, or -1 if no read may follow. */
static int decode(struct session *session, struct wire_decoder *decoder, const uint8_t *data, size_t size)
{
    const struct options *options = session->options;

    while (size > 0) {
        size_t used;
        const enum wire_outcome outcome = wire_feed(decoder, data, size, &used);
        data += used;
        size -= used;
        if (outcome == WIRE_BAD) {
            report_violation(session, decoder);
            return -1;
        }
        if (outcome == WIRE_LIST) {
            if (print_list(decoder, (enum print)options->print, options->verbose, stdout) != 0) {
                stop_after_output_failure(session);
                return -1;
            }
            list_free(&decoder->list);
        }
    }
    return 0;
}

/* Handle the end of the stream. */
static void finish_stream(struct session *session, struct wire_decoder *decoder)
{
    if (wire_end(decoder) == WIRE_BAD)
        report_violation(session, decoder);
    else if (print_end(stdout) != 0)
        stop_after_output_failure(session);
}

/* Receive once and log it. Returns what conn_recv() returns. */
static ssize_t read_once(struct session *session, uint8_t *buffer)
{
    const uint64_t start_ns = monotonic_ns();
    const ssize_t got = conn_recv(session->fd, buffer, (size_t)session->options->read_bytes);
    const int error = errno;
    const uint64_t end_ns = monotonic_ns();
    const uint64_t bytes = got > 0 ? (uint64_t)got : 0;

    session->total_bytes += bytes;
    event_log_add(&session->log, got == 0 ? EVENT_EOF : EVENT_READ, start_ns, end_ns, bytes, session->total_bytes);
    errno = error;
    return got;
}

static void serve(struct session *session, struct wire_decoder *decoder, uint8_t *buffer)
{
    for (;;) {
        const ssize_t got = read_once(session, buffer);
        if (atomic_load(&session->stop->requested)) {
            report_at_next_byte(session, decoder, "stopped", "the server is stopping");
            return;
        }
        if (got < 0) {
            report_at_next_byte(session, decoder, "reset", strerror(errno));
            return;
        }
        if (got == 0) {
            finish_stream(session, decoder);
            return;
        }
        if (decode(session, decoder, buffer, (size_t)got) != 0)
            return;
        pause_reader(session);
    }
}

void session_serve(struct session *session)
{
    const struct options *options = session->options;
    const struct wire_rules rules = {
        .lists = options->repeat,
        .max_nodes = options->max_nodes,
        .max_content_bytes = options->max_content_bytes,
        .max_total_bytes = options->max_total_bytes,
        .hash_seed = session->hash_seed,
        .title_count = print_title_count((enum print)options->print),
        .keep_content = options->content == CONTENT_KEEP,
    };
    uint8_t *buffer = malloc((size_t)options->read_bytes);
    struct wire_decoder decoder;

    if (buffer == NULL) {
        fprintf(stderr, "server: peer %s: refused, out of memory for a read buffer of %" PRIu64 " bytes\n",
                session->peer, options->read_bytes);
        return;
    }
    wire_init(&decoder, &rules);
    serve(session, &decoder, buffer);
    wire_free(&decoder);
    free(buffer);
}

void session_close(struct session *session)
{
    const uint64_t start_ns = monotonic_ns();

    close(session->fd);
    event_log_add(&session->log, EVENT_CLOSE, start_ns, monotonic_ns(), 0, session->total_bytes);
    if (event_log_close(&session->log) != 0)
        fprintf(stderr, "server: write event log of peer %s: %s\n", session->peer, strerror(errno));
}

void session_abandon(struct session *session)
{
    const uint64_t now_ns = monotonic_ns();

    event_log_add(&session->log, EVENT_CLOSE, now_ns, now_ns, 0, session->total_bytes);
    event_log_flush(&session->log);
}
