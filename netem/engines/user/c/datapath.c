/* The data path of the user engine in C: read frames from the TAPs, impair and queue them in the lanes, send those that
 * are due. datapath.py calls it through ctypes. */
#define _GNU_SOURCE
#include "lane.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum {
    LANES = 2,
    BURST_FRAMES = 64, /* read in a row from one lane before the timer and the other lane get their turn */
};

struct datapath {
    struct lane lanes[LANES];
    int taps[LANES];
    struct pool pool;
    struct fifo outgoing; /* frames that left their lane and that the device has not accepted yet */
    struct buffer *spare; /* the buffer for the next read */
    int64_t tx_rejected, armed_ns;
    int out, control, timer, poll;
    bool watching_out;
};

/* The interface for datapath.py. */
/* Returns NULL with errno set on failure. */
struct datapath *datapath_open(const int taps[LANES], int out, int control);
void datapath_close(struct datapath *path);
struct lane_state *datapath_state(struct datapath *path, int lane);
int64_t datapath_queued(const struct datapath *path, int lane);
int64_t datapath_tx_rejected(const struct datapath *path);
int64_t datapath_next_due(const struct datapath *path, int lane);
/* Move a frame in or out, see lane_import and lane_export. `times` are due_ns, arrived_ns and its bytes on the wire. An
 * export returns the length of the frame, or -1 when none is left. */
int datapath_import(struct datapath *path, int lane, bool ready, const int64_t times[3], const unsigned char *frame,
                    size_t length);
int64_t datapath_export(struct datapath *path, int lane, bool ready, int64_t times[3], unsigned char *frame);
int64_t datapath_export_outgoing(struct datapath *path, unsigned char *frame);
int datapath_push(struct datapath *path, int lane, const unsigned char *frame, size_t length, int64_t now_ns);
void datapath_pop(struct datapath *path, int lane, int64_t now_ns);
int datapath_run(struct datapath *path);

/* The loop. */

static int64_t monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ENOBUFS for a super-packet is final: the device cannot segment it, and past its queueing discipline nothing does. */
static bool must_wait(int error, const struct buffer *buffer)
{
    bool super_packet = buffer->length > 1 && buffer->data[1] != 0;
    return error == EAGAIN || error == ENOMEM || (error == ENOBUFS && !super_packet);
}

/* Send in order. A frame that the device cannot accept at the moment stays, and goes first next time. */
static void send_outgoing(struct datapath *path)
{
    struct buffer *buffer;
    while ((buffer = path->outgoing.first) != NULL) {
        if (send(path->out, buffer->data, buffer->length, 0) < 0) {
            if (must_wait(errno, buffer))
                return;
            path->tx_rejected++;
        }
        pool_put(&path->pool, fifo_pop(&path->outgoing));
    }
}

static int receive(struct datapath *path, int number)
{
    struct lane *lane = &path->lanes[number];
    for (int i = 0; i < BURST_FRAMES; i++) {
        struct buffer *buffer = path->spare != NULL ? path->spare : pool_get(&path->pool, false);
        path->spare = NULL;
        if (buffer == NULL)
            return -ENOMEM;
        ssize_t length = read(path->taps[number], buffer->data, MAX_FRAME_BYTES);
        if (length < 0) {
            path->spare = buffer;
            return errno == EAGAIN ? 0 : -errno;
        }
        buffer->length = (size_t)length;
        if (length <= SMALL_BYTES) {
            path->spare = buffer;
            buffer = pool_copy(&path->pool, buffer->data, buffer->length);
            if (buffer == NULL)
                return -ENOMEM;
        }
        int64_t now_ns = monotonic_ns();
        int error = lane_push(lane, buffer, now_ns);
        if (error != 0)
            return error;
        lane_pop(lane, now_ns, &path->outgoing);
        send_outgoing(path);
    }
    return 0;
}

static int watch(struct datapath *path, int operation, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data = {.fd = fd}};
    return epoll_ctl(path->poll, operation, fd, &event);
}

/* Send the frames that are due, arm the timer for the next one, and watch the device while frames wait for it. */
static void send_due(struct datapath *path)
{
    int64_t next_ns = NO_TIME;
    for (int i = 0; i < LANES; i++) {
        lane_pop(&path->lanes[i], monotonic_ns(), &path->outgoing);
        int64_t due_ns = lane_next_due(&path->lanes[i]);
        next_ns = due_ns < next_ns ? due_ns : next_ns;
    }
    send_outgoing(path);
    if (next_ns != path->armed_ns) {
        int64_t at_ns = next_ns == NO_TIME ? 0 : next_ns > 0 ? next_ns : 1; /* 0 disarms */
        struct itimerspec at = {.it_value = {at_ns / 1000000000, at_ns % 1000000000}};
        timerfd_settime(path->timer, TFD_TIMER_ABSTIME, &at, NULL);
        path->armed_ns = next_ns;
    }
    bool blocked = path->outgoing.first != NULL;
    if (blocked != path->watching_out) {
        watch(path, blocked ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, path->out, EPOLLOUT);
        path->watching_out = blocked;
    }
}

/* Serve until the control descriptor is readable. Returns 0, or a negative errno. */
int datapath_run(struct datapath *path)
{
    for (bool stop_requested = false; !stop_requested;) {
        struct epoll_event events[LANES + 3];
        send_due(path);
        int count = epoll_wait(path->poll, events, LANES + 3, -1);
        if (count < 0 && errno != EINTR)
            return -errno;
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd, error = 0;
            uint64_t expired;
            if (fd == path->timer && read(fd, &expired, sizeof expired) > 0)
                path->armed_ns = NO_TIME;
            for (int lane = 0; lane < LANES && error == 0; lane++)
                if (fd == path->taps[lane])
                    error = receive(path, lane);
            if (error != 0)
                return error;
            stop_requested = stop_requested || fd == path->control;
        }
    }
    send_due(path);
    return 0;
}

/* The other functions that Python calls. */

/* Create the timer and the epoll descriptor, and watch what is read. Returns 0, or -1 with errno set. */
static int prepare_polling(struct datapath *path)
{
    path->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (path->timer < 0)
        return -1;
    path->poll = epoll_create1(EPOLL_CLOEXEC);
    if (path->poll < 0)
        return -1;
    if (watch(path, EPOLL_CTL_ADD, path->timer, EPOLLIN) != 0)
        return -1;
    if (watch(path, EPOLL_CTL_ADD, path->control, EPOLLIN) != 0)
        return -1;
    for (int i = 0; i < LANES; i++)
        if (watch(path, EPOLL_CTL_ADD, path->taps[i], EPOLLIN) != 0)
            return -1;
    return 0;
}

struct datapath *datapath_open(const int taps[LANES], int out, int control)
{
    struct datapath *path = calloc(1, sizeof *path);
    if (path == NULL)
        return NULL;
    path->out = out;
    path->control = control;
    path->timer = path->poll = -1;
    path->armed_ns = NO_TIME;
    path->outgoing.end = &path->outgoing.first;
    for (int i = 0; i < LANES; i++) {
        path->taps[i] = taps[i];
        path->lanes[i].pool = &path->pool;
        path->lanes[i].ready.end = &path->lanes[i].ready.first;
    }
    if (prepare_polling(path) != 0) {
        int error = errno; /* close() below may set another */
        datapath_close(path);
        errno = error;
        return NULL;
    }
    return path;
}

void datapath_close(struct datapath *path)
{
    for (int i = 0; i < LANES; i++)
        lane_close(&path->lanes[i]);
    fifo_close(&path->outgoing);
    pool_close(&path->pool);
    free(path->spare);
    if (path->timer >= 0)
        close(path->timer);
    if (path->poll >= 0)
        close(path->poll);
    free(path);
}

struct lane_state *datapath_state(struct datapath *path, int lane)
{
    return &path->lanes[lane].state;
}

int64_t datapath_queued(const struct datapath *path, int lane)
{
    return lane_queued(&path->lanes[lane]);
}

int64_t datapath_tx_rejected(const struct datapath *path)
{
    return path->tx_rejected;
}

int64_t datapath_next_due(const struct datapath *path, int lane)
{
    return lane_next_due(&path->lanes[lane]);
}

int datapath_import(struct datapath *path, int lane, bool ready, const int64_t times[3], const unsigned char *frame,
                    size_t length)
{
    struct buffer *buffer = pool_copy(&path->pool, frame, length);
    if (buffer == NULL)
        return -ENOMEM;
    buffer->due_ns = times[0];
    buffer->arrived_ns = times[1];
    buffer->wire_bytes = times[2];
    return lane_import(&path->lanes[lane], buffer, ready);
}

static int64_t copy_out(struct datapath *path, struct buffer *buffer, unsigned char *frame)
{
    if (buffer == NULL)
        return -1;
    int64_t length = (int64_t)buffer->length;
    memcpy(frame, buffer->data, buffer->length);
    pool_put(&path->pool, buffer);
    return length;
}

int64_t datapath_export(struct datapath *path, int lane, bool ready, int64_t times[3], unsigned char *frame)
{
    struct buffer *buffer = lane_export(&path->lanes[lane], ready);
    if (buffer != NULL) {
        times[0] = buffer->due_ns;
        times[1] = buffer->arrived_ns;
        times[2] = buffer->wire_bytes;
    }
    return copy_out(path, buffer, frame);
}

int64_t datapath_export_outgoing(struct datapath *path, unsigned char *frame)
{
    return copy_out(path, fifo_pop(&path->outgoing), frame);
}

int datapath_push(struct datapath *path, int lane, const unsigned char *frame, size_t length, int64_t now_ns)
{
    struct buffer *buffer = pool_copy(&path->pool, frame, length);
    return buffer == NULL ? -ENOMEM : lane_push(&path->lanes[lane], buffer, now_ns);
}

void datapath_pop(struct datapath *path, int lane, int64_t now_ns)
{
    lane_pop(&path->lanes[lane], now_ns, &path->outgoing);
}
