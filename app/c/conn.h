/* Sockets: listen, connect, send and receive. An error text names what was attempted. */
#ifndef TESTBED_CONN_H
#define TESTBED_CONN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

enum family {
    FAMILY_IPV4,
    FAMILY_IPV6,
    FAMILY_DUAL, /* client: either family; server: one IPv6 socket that also accepts IPv4 */
};

/* Options set before a socket connects or listens: the handshake derives the window scale from the receive buffer, so a
 * later change has no effect on it. 0 bytes = the kernel's choice. */
struct conn_options {
    int sndbuf_bytes;
    int rcvbuf_bytes;
    int nodelay;
};

/* "ADDRESS port NUMBER" with the zone of a link-local address. */
#define CONN_NAME_BYTES 96

#define CONN_ERROR_BYTES 512

/* Connect to the first address of `host` that accepts. The attempt ends when `stop_fd` becomes readable. Returns a
 * blocking socket and the times around the connect that succeeded, or -1 with the reason in `error`. */
int conn_connect(enum family family, const char *host, uint16_t port, const struct conn_options *options, int stop_fd,
                 uint64_t *start_ns, uint64_t *end_ns, char error[CONN_ERROR_BYTES]);

/* Listen on `address`. Returns a non-blocking socket, or -1 with the reason in `error`. */
int conn_listen(enum family family, const char *address, uint16_t port, const struct conn_options *options,
                char error[CONN_ERROR_BYTES]);

/* "ipv4", "ipv6" or "dual". */
const char *conn_family_name(enum family family);

/* The default address of a listener of this family. */
const char *conn_default_bind(enum family family);

/* Write the address and port that a socket is bound to. */
void conn_local_name(int fd, char name[CONN_NAME_BYTES]);

/* Accept a connection on the listening socket `fd`, and write the name of its peer. Returns a blocking socket, or -1
 * with errno set. */
int conn_accept(int fd, char name[CONN_NAME_BYTES]);

/* One send() of at most `size` bytes, restarted after EINTR. Returns the number of bytes accepted, which may be less,
 * or -1 with errno set; a closed connection gives EPIPE, never SIGPIPE. */
ssize_t conn_send(int fd, const void *data, size_t size);

/* One recv(), restarted after EINTR. Returns the bytes received, 0 at the end of the stream, or -1 with errno set. */
ssize_t conn_recv(int fd, void *data, size_t size);

/* The bytes and the FIN that the peer has not acknowledged (SIOCOUTQ), or -1 with errno set, also by the connection's
 * pending error. */
int conn_unacked(int fd);

/* Write everything, in as many calls as needed. Returns 0, or -1 with errno set. */
int write_all(int fd, const void *data, size_t size);

#endif
