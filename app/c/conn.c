/* See conn.h. */
#include "conn.h"

#include "events.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netdb.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define BACKLOG 1024

static int set_error(char error[CONN_ERROR_BYTES], const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(error, CONN_ERROR_BYTES, format, arguments);
    va_end(arguments);
    return -1;
}

const char *conn_family_name(enum family family)
{
    static const char *const names[] = {"ipv4", "ipv6", "dual"};

    return names[family];
}

const char *conn_default_bind(enum family family)
{
    return family == FAMILY_IPV4 ? "0.0.0.0" : "::";
}

static int set_option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value));
}

/* Returns 0, or -1 with errno set. */
static int apply_options(int fd, const struct conn_options *options)
{
    if (options->sndbuf_bytes > 0 && set_option(fd, SOL_SOCKET, SO_SNDBUF, options->sndbuf_bytes) != 0)
        return -1;
    if (options->rcvbuf_bytes > 0 && set_option(fd, SOL_SOCKET, SO_RCVBUF, options->rcvbuf_bytes) != 0)
        return -1;
    if (options->nodelay && set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1) != 0)
        return -1;
    return 0;
}

/* Returns 0 and the addresses, which the caller passes to freeaddrinfo(), or -1 with the reason in `error`. */
static int resolve(int af, int flags, enum family family, const char *host, uint16_t port,
                   struct addrinfo **found, char error[CONN_ERROR_BYTES])
{
    const struct addrinfo hints = {.ai_family = af, .ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV};
    char service[6];
    int status;

    snprintf(service, sizeof(service), "%u", (unsigned)port);
    status = getaddrinfo(host, service, &hints, found);
    if (status == 0)
        return 0;
    return set_error(error, "resolve %s over %s: %s", host, conn_family_name(family),
                  status == EAI_SYSTEM ? strerror(errno) : gai_strerror(status));
}

/* Connect while watching stop_fd, then make the socket blocking. Returns 0, or -1 with errno set. */
static int connect_or_stop(int fd, const struct addrinfo *to, int stop_fd)
{
    struct pollfd wait[] = {{.fd = fd, .events = POLLOUT}, {.fd = stop_fd, .events = POLLIN}};
    socklen_t size = sizeof(int);
    int error;

    if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
        return -1;
    if (connect(fd, to->ai_addr, to->ai_addrlen) != 0) {
        if (errno != EINPROGRESS)
            return -1;
        while (poll(wait, 2, -1) < 0)
            if (errno != EINTR)
                return -1;
        if (wait[1].revents != 0) {
            errno = ECANCELED;
            return -1;
        }
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
            return -1;
        if (error != 0) {
            errno = error;
            return -1;
        }
    }
    return fcntl(fd, F_SETFL, 0);
}

int conn_connect(enum family family, const char *host, uint16_t port, const struct conn_options *options, int stop_fd,
                 uint64_t *start_ns, uint64_t *end_ns, char error[CONN_ERROR_BYTES])
{
    static const int families[] = {AF_INET, AF_INET6, AF_UNSPEC};
    struct addrinfo *found;
    int fd = -1;
    int reason = 0;

    if (resolve(families[family], 0, family, host, port, &found, error) != 0)
        return -1;
    for (const struct addrinfo *to = found; to != NULL && reason != ECANCELED; to = to->ai_next) {
        fd = socket(to->ai_family, to->ai_socktype, to->ai_protocol);
        *start_ns = monotonic_ns();
        if (fd >= 0 && apply_options(fd, options) == 0 && connect_or_stop(fd, to, stop_fd) == 0) {
            *end_ns = monotonic_ns();
            break;
        }
        reason = errno;
        if (fd >= 0)
            close(fd);
        fd = -1;
    }
    freeaddrinfo(found);
    if (fd < 0)
        return set_error(error, "connect to %s port %u over %s: %s", host, (unsigned)port, conn_family_name(family),
                      strerror(reason));
    return fd;
}

static int listen_at(enum family family, const struct addrinfo *at, const struct conn_options *options)
{
    int fd = socket(at->ai_family, at->ai_socktype | SOCK_NONBLOCK, at->ai_protocol);
    int reason;

    if (fd < 0)
        return -1;
    if (set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1) == 0 &&
        (family == FAMILY_IPV4 || set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, family == FAMILY_IPV6) == 0) &&
        apply_options(fd, options) == 0 && bind(fd, at->ai_addr, at->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    reason = errno;
    close(fd);
    errno = reason;
    return -1;
}

int conn_listen(enum family family, const char *address, uint16_t port, const struct conn_options *options,
                char error[CONN_ERROR_BYTES])
{
    struct addrinfo *found;
    int fd;
    int reason;

    if (resolve(family == FAMILY_IPV4 ? AF_INET : AF_INET6, family == FAMILY_DUAL ? AI_V4MAPPED : 0, family, address,
                port, &found, error) != 0)
        return -1;
    fd = listen_at(family, found, options);
    reason = errno;
    freeaddrinfo(found);
    if (fd < 0)
        return set_error(error, "listen on %s port %u over %s: %s", address, (unsigned)port, conn_family_name(family),
                      strerror(reason));
    return fd;
}

static void format_name(const struct sockaddr_storage *address, socklen_t size, char name[CONN_NAME_BYTES])
{
    char host[INET6_ADDRSTRLEN + IF_NAMESIZE + 1];
    char port[6];

    if (getnameinfo((const struct sockaddr *)address, size, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        snprintf(name, CONN_NAME_BYTES, "unknown");
    else
        snprintf(name, CONN_NAME_BYTES, "%s port %s", host, port);
}

void conn_local_name(int fd, char name[CONN_NAME_BYTES])
{
    struct sockaddr_storage local = {.ss_family = AF_UNSPEC};
    socklen_t size = sizeof(local);

    getsockname(fd, (struct sockaddr *)&local, &size);
    format_name(&local, size, name);
}

int conn_accept(int fd, char name[CONN_NAME_BYTES])
{
    struct sockaddr_storage peer = {.ss_family = AF_UNSPEC};
    socklen_t size = sizeof(peer);
    const int accepted = accept(fd, (struct sockaddr *)&peer, &size);

    if (accepted >= 0)
        format_name(&peer, size, name);
    return accepted;
}

ssize_t conn_send(int fd, const void *data, size_t size)
{
    ssize_t sent;

    do
        sent = send(fd, data, size, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent;
}

ssize_t conn_recv(int fd, void *data, size_t size)
{
    ssize_t received;

    do
        received = recv(fd, data, size, 0);
    while (received < 0 && errno == EINTR);
    return received;
}

int conn_unacked(int fd)
{
    int unacked = 0;
    int error = 0;
    socklen_t size = sizeof(error);

    if (ioctl(fd, SIOCOUTQ, &unacked) != 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        return -1;
    if (error != 0) {
        errno = error;
        return -1;
    }
    return unacked;
}

int write_all(int fd, const void *data, size_t size)
{
    const char *p = data;

    while (size > 0) {
        ssize_t written = write(fd, p, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -1;
        p += written;
        size -= (size_t)written;
    }
    return 0;
}
