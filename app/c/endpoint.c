/* The entry point of the image: it executes the program that TESTBED_ROLE names. */
#include "contract.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char *argv[])
{
    const char *role = getenv("TESTBED_ROLE");
    const char *program;

    (void)argc;
    if (role == NULL || (strcmp(role, "client") != 0 && strcmp(role, "server") != 0)) {
        fputs("endpoint: TESTBED_ROLE is neither client nor server\n", stderr);
        return EXIT_UNSUPPORTED;
    }
    program = strcmp(role, "client") == 0 ? "cclient" : "cserver";
    execvp(program, argv);
    fprintf(stderr, "endpoint: run %s: %s\n", program, strerror(errno));
    return EXIT_UNSUPPORTED;
}
