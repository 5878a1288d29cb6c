/* Sockets: listen, connect, and the two calls that move bytes. Each error is text that names what was tried. */
#ifndef TESTBED_CONN_H
#define TESTBED_CONN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

enum family {
    FAMILY_IPV4,
    FAMILY_IPV6,
    FAMILY_DUAL, /* a client's: either; a server's: one IPv6 socket that takes IPv4 too */
};

/* What is set on a socket before it connects or listens: the window scale of a connection is chosen in its
 * handshake from the receive buffer, so that a later change would come too late. 0 bytes = the kernel's choice. */
struct conn_options {
    int sndbuf_bytes;
    int rcvbuf_bytes;
    int nodelay;
};

/* "ADDRESS port NUMBER" with the zone of a link-local address. */
#define CONN_NAME_BYTES 96

#define CONN_ERROR_BYTES 512

/* Connect to the first address of `host` that answers. While it waits, `stop_fd` becoming readable ends the attempt.
 * Returns a blocking socket, the times around the connect that succeeded, or -1 with the reason in `error`. */
int conn_connect(enum family family, const char *host, uint16_t port, const struct conn_options *options, int stop_fd,
                 uint64_t *start_ns, uint64_t *end_ns, char error[CONN_ERROR_BYTES]);

/* Listen on `address`. Returns a non-blocking socket, or -1 with
 * the reason in `error`. */
int conn_listen(enum family family, const char *address, uint16_t port, const struct conn_options *options,
                char error[CONN_ERROR_BYTES]);

/* "ipv4", "ipv6" or "dual". */
const char *conn_family_name(enum family family);

/* The address that a listener of this family takes when none is asked for. */
const char *conn_any_address(enum family family);

/* Name the address and port that a socket is bound to. */
void conn_local_name(int fd, char name[CONN_NAME_BYTES]);

/* Accept a connection on the listening socket `fd`, as a blocking socket, and name its peer. Returns the socket, or -1
 * with errno set. */
int conn_accept(int fd, char name[CONN_NAME_BYTES]);

/* One send() of at most `size` bytes, started again when a signal interrupts it before it has taken any. Returns the
 * bytes taken, which may be fewer, or -1 with errno set; a peer that is gone is EPIPE, never SIGPIPE. */
ssize_t conn_send(int fd, const void *data, size_t size);

/* One recv(), started again when a signal interrupts it. Returns the bytes received, 0 at the end of the stream, or -1
 * with errno set. */
ssize_t conn_recv(int fd, void *data, size_t size);

/* Write all of it, whatever the number of calls. Returns 0, or -1 with errno set. */
int write_all(int fd, const void *data, size_t size);

#endif
