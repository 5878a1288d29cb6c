/* See server.h. The main thread only waits for signals, which are blocked in all threads and read from a descriptor.
 * Nothing that blocks, such as a standard error without a reader, can therefore prevent the stop. A second thread
 * accepts; every other thread serves one connection and then removes it from the list. */
#define _GNU_SOURCE /* getrandom(), pthread_clockjoin_np() */
#include "server.h"

#include "session.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* Several times what the deepest call needs (printing, resolving an address). A thousand stacks are only address
 * space. */
#define STACK_BYTES (128 * 1024)

/* The first connections have event logs. */
#define MAX_LOGS 16u

/* Time limits after a stop is requested: for the acceptor, then for the connections, and for the whole program. The
 * contract allows one second. */
#define ACCEPTOR_STOP_NS 100000000u
#define CONNECTIONS_STOP_NS 600000000u
#define HARD_EXIT_US 850000

/* Between two attempts to accept while descriptors or memory are exhausted. */
#define RETRY_MS 100

struct connection {
    struct server *server;
    struct session session;
    uint64_t number; /* in order of acceptance, from 1 */
    struct connection *previous;
    struct connection *next;
};

struct server {
    const struct options *options;
    int listener;
    int signals;
    uint64_t hash_seed;
    uint64_t accepted;
    bool exhausted; /* accept() failed for lack of resources, and that was reported */
    struct event_log first_log; /* opened at the start, used by the first connection */
    struct session_stop stop;
    pthread_attr_t thread;
    pthread_mutex_t lock; /* protects the members below */
    pthread_cond_t connection_closed;
    struct connection *connections;
    uint64_t open;
};

static int fail(const char *attempt)
{
    fprintf(stderr, "server: %s: %s\n", attempt, strerror(errno));
    return -1;
}

/* Block the stop signals for all future threads, and ignore SIGPIPE from standard output. Returns signalfd(). */
static int block_stop_signals(void)
{
    sigset_t stop;

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    pthread_sigmask(SIG_BLOCK, &stop, NULL);
    return signalfd(-1, &stop, 0);
}

/* Connections and logs need descriptors: raise the soft limit to the hard one. accept_one() reports exhaustion. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int start_listening(struct server *server)
{
    const struct options *options = server->options;
    const enum family family = (enum family)options->family;
    const char *address = options->bind != NULL ? options->bind : conn_default_bind(family);
    const struct conn_options preset = {(int)options->sndbuf_bytes, (int)options->rcvbuf_bytes, (int)options->nodelay};
    char error[CONN_ERROR_BYTES];
    char name[CONN_NAME_BYTES];

    server->listener = conn_listen(family, address, (uint16_t)options->port, &preset, error);
    if (server->listener < 0) {
        fprintf(stderr, "server: %s\n", error);
        return -1;
    }
    conn_local_name(server->listener, name);
    fprintf(stderr, "server: listening on %s over %s\n", name, conn_family_name(family));
    return 0;
}

static int set_up(struct server *server)
{
    pthread_condattr_t monotonic;

    server->signals = block_stop_signals();
    if (server->signals < 0)
        return fail("create a signal descriptor");
    server->stop.fd = eventfd(0, 0);
    if (server->stop.fd < 0)
        return fail("create an event descriptor");
    if (getrandom(&server->hash_seed, sizeof(server->hash_seed), 0) < 0)
        return fail("get a random number");
    raise_descriptor_limit();
    atomic_init(&server->stop.requested, false);
    atomic_init(&server->stop.output_failed, false);
    pthread_mutex_init(&server->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&server->connection_closed, &monotonic);
    pthread_attr_init(&server->thread);
    pthread_attr_setdetachstate(&server->thread, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&server->thread, STACK_BYTES);
    if (event_log_open(&server->first_log, server->options->events) != 0) {
        fprintf(stderr, "server: create event log %s: %s\n", server->options->events, strerror(errno));
        return -1;
    }
    return start_listening(server);
}

static void add_connection(struct server *server, struct connection *connection)
{
    pthread_mutex_lock(&server->lock);
    connection->next = server->connections;
    if (connection->next != NULL)
        connection->next->previous = connection;
    server->connections = connection;
    server->open++;
    pthread_mutex_unlock(&server->lock);
}

/* Remove a connection from the list before its descriptor is closed, so that stop() cannot shut down a reused one. */
static void remove_connection(struct server *server, struct connection *connection)
{
    pthread_mutex_lock(&server->lock);
    if (connection->previous != NULL)
        connection->previous->next = connection->next;
    else
        server->connections = connection->next;
    if (connection->next != NULL)
        connection->next->previous = connection->previous;
    pthread_mutex_unlock(&server->lock);
}

/* The last action of a connection's thread: the server may be gone afterwards. */
static void connection_done(struct server *server)
{
    pthread_mutex_lock(&server->lock);
    server->open--;
    pthread_cond_signal(&server->connection_closed);
    pthread_mutex_unlock(&server->lock);
}

/* Open the log of a connection after the first. */
static void open_log(struct connection *connection)
{
    const char *path = connection->server->options->events;
    char numbered[PATH_MAX + 24]; /* a path that is too long stays too long: it must not be cut to another one */

    event_log_open(&connection->session.log, NULL);
    if (path == NULL || connection->number > MAX_LOGS)
        return;
    snprintf(numbered, sizeof(numbered), "%s.%" PRIu64, path, connection->number);
    if (event_log_open(&connection->session.log, numbered) != 0)
        fprintf(stderr, "server: create event log %s: %s\n", numbered, strerror(errno));
}

static void *serve(void *argument)
{
    struct connection *connection = argument;
    struct server *server = connection->server;

    session_serve(&connection->session);
    remove_connection(server, connection);
    session_close(&connection->session);
    free(connection);
    connection_done(server);
    return NULL;
}

/* Initialize a connection before its thread starts. */
static void prepare(struct server *server, struct connection *connection, uint64_t start_ns, uint64_t end_ns)
{
    struct session *session = &connection->session;

    connection->server = server;
    connection->number = ++server->accepted;
    session->options = server->options;
    session->stop = &server->stop;
    session->hash_seed = server->hash_seed;
    if (connection->number == 1) {
        session->log = server->first_log;
        event_log_open(&server->first_log, NULL);
    } else {
        open_log(connection);
    }
    event_log_add(&session->log, EVENT_ACCEPT, start_ns, end_ns, 0, 0);
}

/* Start the thread of a connection. A failure affects this connection only. */
static void start(struct server *server, struct connection *connection)
{
    pthread_t thread;
    int error;

    add_connection(server, connection);
    error = pthread_create(&thread, &server->thread, serve, connection);
    if (error == 0)
        return;
    fprintf(stderr, "server: peer %s: refused, no thread: %s\n", connection->session.peer, strerror(error));
    remove_connection(server, connection);
    session_close(&connection->session);
    free(connection);
    connection_done(server);
}

static bool is_full(struct server *server)
{
    bool full;

    pthread_mutex_lock(&server->lock);
    full = server->open >= server->options->max_connections;
    pthread_mutex_unlock(&server->lock);
    return full;
}

/* Accept one connection. Returns 0, or -1 if the caller should wait before the next attempt. */
static int accept_one(struct server *server)
{
    struct connection *connection = calloc(1, sizeof(*connection));

    if (connection == NULL)
        return fail("accept a connection");
    const uint64_t start_ns = monotonic_ns();
    const int fd = connection->session.fd = conn_accept(server->listener, connection->session.peer);
    const uint64_t end_ns = monotonic_ns();
    if (fd < 0) {
        const int error = errno;
        free(connection);
        if (error != EMFILE && error != ENFILE && error != ENOBUFS && error != ENOMEM)
            return 0; /* the peer has closed it already */
        if (!server->exhausted)
            fprintf(stderr, "server: accept a connection: %s\n", strerror(error));
        server->exhausted = true;
        return -1;
    }
    server->exhausted = false;
    if (is_full(server)) {
        fprintf(stderr, "server: peer %s: refused, %" PRIu64 " connections are open\n", connection->session.peer,
                server->options->max_connections);
        close(fd);
        free(connection);
        return 0;
    }
    prepare(server, connection, start_ns, end_ns);
    start(server, connection);
    return 0;
}

/* Accept connections until a stop is requested. */
static void *accept_all(void *argument)
{
    struct server *server = argument;
    struct pollfd wait[] = {{.fd = server->stop.fd, .events = POLLIN}, {.fd = server->listener, .events = POLLIN}};

    while (!atomic_load(&server->stop.requested))
        if (poll(wait, 2, -1) > 0 && wait[1].revents != 0 && accept_one(server) != 0)
            poll(wait, 1, RETRY_MS);
    /* Connections that arrived before the stop are accepted, and stop() then shuts them down. */
    const uint64_t until_ns = monotonic_ns() + ACCEPTOR_STOP_NS;
    while (monotonic_ns() < until_ns && poll(&wait[1], 1, 0) > 0 && accept_one(server) == 0)
        continue;
    close(server->listener);
    return NULL;
}

static struct timespec after(uint64_t delay_ns)
{
    const uint64_t then_ns = monotonic_ns() + delay_ns;

    return (struct timespec){(time_t)(then_ns / 1000000000), (long)(then_ns % 1000000000)};
}

static void on_hard_exit(int signal_number)
{
    (void)signal_number;
    _exit(0);
}

/* Stop accepting and shut down all connections. Returns whether all ended in time. */
static bool stop(struct server *server, pthread_t acceptor)
{
    const struct itimerval hard_exit = {.it_value = {.tv_usec = HARD_EXIT_US}};
    const struct timespec accepted = after(2 * ACCEPTOR_STOP_NS);
    const struct timespec ended = after(2 * ACCEPTOR_STOP_NS + CONNECTIONS_STOP_NS);
    bool all;

    signal(SIGALRM, on_hard_exit);
    setitimer(ITIMER_REAL, &hard_exit, NULL);
    atomic_store(&server->stop.requested, true);
    eventfd_write(server->stop.fd, 1);
    all = pthread_clockjoin_np(acceptor, NULL, CLOCK_MONOTONIC, &accepted) == 0;
    pthread_mutex_lock(&server->lock);
    for (struct connection *one = server->connections; one != NULL; one = one->next)
        shutdown(one->session.fd, SHUT_RDWR);
    while (server->open > 0 && pthread_cond_timedwait(&server->connection_closed, &server->lock, &ended) == 0)
        continue;
    for (struct connection *one = server->connections; one != NULL; one = one->next)
        session_abandon(&one->session);
    all = all && server->open == 0;
    pthread_mutex_unlock(&server->lock);
    return all;
}

/* Return when a stop signal is pending. */
static void wait_for_signal(const struct server *server)
{
    struct pollfd wait = {.fd = server->signals, .events = POLLIN};

    while (poll(&wait, 1, -1) <= 0)
        continue;
}

int server_run(const struct options *options)
{
    static struct server server; /* threads that do not end in time may still use it */
    pthread_t acceptor;

    server.options = options;
    if (set_up(&server) != 0)
        return 1;
    errno = pthread_create(&acceptor, NULL, accept_all, &server);
    if (errno != 0) {
        fail("start a thread to accept connections");
        return 1;
    }
    wait_for_signal(&server);
    if (!stop(&server, acceptor)) {
        fprintf(stderr, "server: not all connections ended in time\n");
        _exit(atomic_load(&server.stop.output_failed) ? 1 : 0); /* exit() could block on output that they hold */
    }
    if (event_log_close(&server.first_log) != 0)
        fail("write event log");
    return atomic_load(&server.stop.output_failed) ? 1 : 0;
}
