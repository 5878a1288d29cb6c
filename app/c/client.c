/* See client.h. One thread and blocking calls, because the client measures how long each send takes. */
#define _GNU_SOURCE /* sigaction, setitimer */
#include "client.h"

#include "conn.h"
#include "events.h"
#include "source.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* While chunks are sent, lines about them are written in batches, at least this often. */
#define FLUSH_NS 200000000u

/* The program exits this long after a stop signal even if it is blocked, in the resolver or by an output without a
reader. */
#define HARD_EXIT_US 500000

#define ACK_POLL_NS 5000000

struct client {
    const struct options *options;
    int fd;
    uint64_t total_bytes;
    uint64_t flushed_ns;
    int output_error; /* errno of the first failure to print, 0 so far */
    struct event_log log;
};

static volatile sig_atomic_t stopping;
static volatile sig_atomic_t connected_fd = -1;
static int stop_pipe[2];

/* End every wait, even one that has not begun: the pipe ends the connect, the shutdown ends send and receive. */
static void on_stop(int signal_number)
{
    const struct itimerval hard_exit = {.it_value = {.tv_usec = HARD_EXIT_US}};
    const int error = errno;

    (void)signal_number;
    stopping = 1;
    if (write(stop_pipe[1], "", 1) < 0 && errno != EAGAIN)
        _exit(1);
    if (connected_fd >= 0)
        shutdown(connected_fd, SHUT_RDWR);
    setitimer(ITIMER_REAL, &hard_exit, NULL);
    errno = error;
}

static void on_hard_exit(int signal_number)
{
    (void)signal_number;
    _exit(0);
}

/* Returns 0, or -1 with errno set. */
static int install_handlers(void)
{
    const struct sigaction stop = {.sa_handler = on_stop};
    const struct sigaction hard_exit = {.sa_handler = on_hard_exit};

    signal(SIGPIPE, SIG_IGN);
    if (pipe(stop_pipe) != 0 || sigaction(SIGALRM, &hard_exit, NULL) != 0)
        return -1;
    return sigaction(SIGTERM, &stop, NULL) != 0 || sigaction(SIGINT, &stop, NULL) != 0 ? -1 : 0;
}

/* Remember why printing failed; `result` is the return value of an output function. It is reported at the end. */
static void check_output(struct client *client, int result)
{
    if (result < 0 && client->output_error == 0)
        client->output_error = errno;
}

static void flush_output(struct client *client)
{
    check_output(client, fflush(stdout));
}

/* Report a failed call on the connection. Returns -1. */
static int fail(struct client *client, const char *attempt)
{
    const int error = errno;

    flush_output(client);
    errno = error;
    fprintf(stderr, "client: %s %s port %" PRIu64 " over %s: %s\n", attempt, client->options->host,
            client->options->port, conn_family_name((enum family)client->options->family), strerror(errno));
    return -1;
}

static int connect_to_server(struct client *client)
{
    const struct options *options = client->options;
    const struct conn_options preset = {(int)options->sndbuf_bytes, (int)options->rcvbuf_bytes, (int)options->nodelay};
    uint64_t start_ns;
    uint64_t end_ns;
    char error[CONN_ERROR_BYTES];

    client->fd = conn_connect((enum family)options->family, options->host, (uint16_t)options->port, &preset,
                              stop_pipe[0], &start_ns, &end_ns, error);
    if (client->fd < 0) {
        if (!stopping)
            fprintf(stderr, "client: %s\n", error);
        return -1;
    }
    event_log_add(&client->log, EVENT_CONNECT, start_ns, end_ns, 0, 0);
    connected_fd = client->fd;
    if (stopping) /* requested before the handler knew the descriptor */
        shutdown(client->fd, SHUT_RDWR);
    return 0;
}

/* Send one chunk, with further calls only after a partial send. Returns 0, or -1 with errno set. */
static int send_chunk(struct client *client, const uint8_t *chunk, size_t size)
{
    uint64_t first_ns = 0;
    uint64_t end_ns = 0;

    for (size_t sent = 0; sent < size;) {
        const uint64_t start_ns = monotonic_ns();
        const ssize_t accepted = conn_send(client->fd, chunk + sent, size - sent);
        const int error = errno;
        end_ns = monotonic_ns();
        if (accepted > 0)
            client->total_bytes += (uint64_t)accepted;
        event_log_add(&client->log, EVENT_WRITE, start_ns, end_ns, accepted > 0 ? (uint64_t)accepted : 0,
                      client->total_bytes);
        if (accepted < 0) {
            errno = error;
            return -1;
        }
        if (sent == 0)
            first_ns = start_ns;
        sent += (size_t)accepted;
    }
    check_output(client, printf("%zu B sent after %" PRIu64 " ms\n", size, (end_ns - first_ns) / 1000000));
    if (end_ns - client->flushed_ns >= FLUSH_NS) {
        flush_output(client);
        client->flushed_ns = end_ns;
    }
    return 0;
}

/* Send the list repeatedly, `total` bytes in all. Returns 0, or -1 after reporting the error. */
static int send_stream(struct client *client, struct source *source, uint8_t *chunk, uint64_t total)
{
    const uint64_t chunk_bytes = client->options->chunk_bytes;

    while (client->total_bytes < total && !stopping) {
        const uint64_t left = total - client->total_bytes;
        const size_t size = (size_t)(left < chunk_bytes ? left : chunk_bytes);
        source_read(source, chunk, size);
        if (send_chunk(client, chunk, size) != 0)
            return stopping ? 0 : fail(client, "send to");
    }
    return 0;
}

/* Wait until the peer has acknowledged everything; a peer that closed its own direction first may not have. The kernel
 * has no event for this. Where the peer closes last, nothing is unacknowledged and nothing waited for. Returns 0, or -1
 * after reporting the error. */
static int await_acked(struct client *client)
{
    const struct timespec pause = {.tv_nsec = ACK_POLL_NS};
    int unacked;

    while (!stopping && (unacked = conn_unacked(client->fd)) != 0) {
        if (unacked < 0)
            return fail(client, "wait for the acknowledgement of");
        nanosleep(&pause, NULL);
    }
    return 0;
}

/* Shut down the sending side, and wait until the peer has read everything and closes. Returns 0, or -1 after reporting
 * the error. */
static int finish(struct client *client)
{
    char discarded[4096];
    uint64_t start_ns;
    ssize_t got;

    if (shutdown(client->fd, SHUT_WR) != 0 && !stopping)
        return fail(client, "shut down the stream to");
    do {
        start_ns = monotonic_ns();
        got = conn_recv(client->fd, discarded, sizeof(discarded));
    } while (got > 0);
    if (stopping)
        return 0;
    if (got < 0)
        return fail(client, "wait for the close of");
    event_log_add(&client->log, EVENT_EOF, start_ns, monotonic_ns(), 0, client->total_bytes);
    return await_acked(client);
}

static int exchange(struct client *client, uint8_t *chunk)
{
    struct source source;
    uint64_t total = UINT64_MAX;

    source_init(&source, (uint32_t)client->options->nodes, (uint32_t)client->options->content_bytes);
    if (client->options->repeat > 0 && source.list_bytes > UINT64_MAX / client->options->repeat) {
        fprintf(stderr, "client: --repeat %" PRIu64 ": the stream would exceed 2^64 bytes\n",
                client->options->repeat);
        return -1;
    }
    if (client->options->repeat > 0)
        total = source.list_bytes * client->options->repeat;
    check_output(client, printf("Will connect to %s : %" PRIu64 "\n", client->options->host, client->options->port));
    flush_output(client);
    if (connect_to_server(client) != 0)
        return stopping ? 0 : -1;
    check_output(client, printf("Sending %" PRIu64 " bytes!\n", source.list_bytes));
    flush_output(client);
    client->flushed_ns = monotonic_ns();
    if (send_stream(client, &source, chunk, total) != 0)
        return -1;
    if (!stopping)
        check_output(client, puts("Data sent"));
    flush_output(client);
    return finish(client);
}

static void close_connection(struct client *client)
{
    const uint64_t start_ns = monotonic_ns();

    if (client->fd < 0)
        return;
    connected_fd = -1;
    close(client->fd);
    event_log_add(&client->log, EVENT_CLOSE, start_ns, monotonic_ns(), 0, client->total_bytes);
}

int client_run(const struct options *options)
{
    struct client client = {.options = options, .fd = -1};
    uint8_t *chunk = malloc((size_t)options->chunk_bytes);
    int status;

    if (chunk == NULL || install_handlers() != 0) {
        fprintf(stderr, "client: allocate a chunk and install signal handlers: %s\n", strerror(errno));
        free(chunk);
        return 1;
    }
    if (event_log_open(&client.log, options->events) != 0) {
        fprintf(stderr, "client: create event log %s: %s\n", options->events, strerror(errno));
        free(chunk);
        return 1;
    }
    status = exchange(&client, chunk) == 0 ? 0 : 1;
    close_connection(&client);
    free(chunk);
    if (event_log_close(&client.log) != 0) {
        fprintf(stderr, "client: write event log %s: %s\n", options->events, strerror(errno));
        status = 1;
    }
    flush_output(&client);
    if (client.output_error != 0) {
        fprintf(stderr, "client: write to standard output: %s\n", strerror(client.output_error));
        status = 1;
    }
    return status;
}
