/* See program.h. */
#include "program.h"

#include "contract.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Open closed standard descriptors as /dev/null: otherwise a socket or a log would get their number and receive what is
 * printed. They are read-only, so that printing fails. Returns 0, or -1 with errno set. */
static int reserve_standard_descriptors(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDONLY);
    while (fd >= 0 && fd <= STDERR_FILENO);
    return fd < 0 ? -1 : close(fd);
}

int program_main(enum role role, int (*run)(const struct options *options), int count, char *const arguments[])
{
    struct options options;
    char error[OPTIONS_ERROR_BYTES];
    const char *name = role == ROLE_CLIENT ? "client" : "server";

    if (reserve_standard_descriptors() != 0) {
        fprintf(stderr, "%s: open /dev/null: %s\n", name, strerror(errno));
        return 1;
    }
    const enum options_outcome outcome = options_read(&options, role, count, arguments, error);
    if (outcome == OPTIONS_HELP) {
        options_help(role, stdout);
        return 0;
    }
    if (outcome != OPTIONS_RUN) {
        fprintf(stderr, "%s: %s (see --help)\n", name, error);
        return outcome == OPTIONS_UNSUPPORTED ? EXIT_UNSUPPORTED : EXIT_FAILED;
    }
    return run(&options);
}
