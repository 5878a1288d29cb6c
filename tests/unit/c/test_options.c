#include "options.h"

#include "conn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

extern char **environ;

static struct options options;
static char error[OPTIONS_ERROR_BYTES];

/* Read a command line of words between single spaces; `environment` likewise, NAME=VALUE each. */
static enum options_outcome read_line(enum role role, const char *environment, const char *line)
{
    static char words[1024];
    char *arguments[32] = {"program"};
    char *variables[32] = {NULL};
    int count = 1;
    int set = 0;

    snprintf(words, sizeof(words), "%s%c%s", environment, '\0', line);
    char *rest = words + strlen(environment) + 1;
    for (char *word = strtok(words, " "); word != NULL; word = strtok(NULL, " "))
        variables[set++] = word;
    for (char *word = strtok(rest, " "); word != NULL; word = strtok(NULL, " "))
        arguments[count++] = word;
    char **before = environ;
    environ = variables;
    const enum options_outcome outcome = options_read(&options, role, count, arguments, error);
    environ = before;
    return outcome;
}

static void defaults(void **state)
{
    (void)state;
    assert_int_equal(read_line(ROLE_CLIENT, "", ""), OPTIONS_RUN);
    assert_int_equal(options.family, FAMILY_IPV4);
    assert_string_equal(options.host, "localhost");
    assert_int_equal(options.port, 8888);
    assert_int_equal(options.nodes, 10);
    assert_int_equal(options.content_bytes, 1000);
    assert_int_equal(options.chunk_bytes, 10000);
    assert_int_equal(options.repeat, 1);
    assert_null(options.events);
    assert_int_equal(read_line(ROLE_SERVER, "", ""), OPTIONS_RUN);
    assert_int_equal(options.family, FAMILY_DUAL);
    assert_null(options.bind);
    assert_int_equal(options.read_bytes, 8192);
    assert_int_equal(options.read_delay_us, 0);
    assert_int_equal(options.print, PRINT_ALL);
    assert_int_equal(options.content, CONTENT_DIGEST);
    assert_int_equal(options.max_nodes, 100000);
    assert_int_equal(options.max_content_bytes, 16777216);
    assert_int_equal(options.max_total_bytes, 17179869184);
    assert_int_equal(options.max_connections, 1024);
}

static void arguments_win(void **state)
{
    (void)state;
    assert_int_equal(read_line(ROLE_SERVER, "TESTBED_READ_DELAY_US=5 TESTBED_PRINT=none TESTBED_NODELAY=1", ""),
                     OPTIONS_RUN);
    assert_int_equal(options.read_delay_us, 5);
    assert_int_equal(options.print, PRINT_NONE);
    assert_int_equal(options.nodelay, 1);
    assert_int_equal(read_line(ROLE_SERVER, "TESTBED_READ_DELAY_US=5 TESTBED_NODELAY=1",
                               "--read-delay-us=6 --read-delay-us 7 --nodelay=0 --verbose"),
                     OPTIONS_RUN);
    assert_int_equal(options.read_delay_us, 7);
    assert_int_equal(options.nodelay, 0);
    assert_int_equal(options.verbose, 1);
    assert_int_equal(read_line(ROLE_CLIENT, "TESTBED_PORT= TESTBED_FAMILY=ipv6", "v4"), OPTIONS_RUN);
    assert_int_equal(options.port, 8888);
    assert_int_equal(options.family, FAMILY_IPV4);
}

static void positionals(void **state)
{
    (void)state;
    assert_int_equal(read_line(ROLE_CLIENT, "", "v6 ::1 1 2 3 --events e"), OPTIONS_RUN);
    assert_int_equal(options.family, FAMILY_IPV6);
    assert_string_equal(options.host, "::1");
    assert_int_equal(options.port, 1);
    assert_int_equal(options.nodes, 2);
    assert_int_equal(options.content_bytes, 3);
    assert_string_equal(options.events, "e");
    assert_int_equal(read_line(ROLE_CLIENT, "TESTBED_FAMILY=ipv6 TESTBED_HOST=h TESTBED_CONTENT_BYTES=9", "9999 666"),
                     OPTIONS_RUN);
    assert_int_equal(options.family, FAMILY_IPV4);
    assert_string_equal(options.host, "localhost");
    assert_int_equal(options.port, 9999);
    assert_int_equal(options.nodes, 666);
    assert_int_equal(options.content_bytes, 9);
    assert_int_equal(read_line(ROLE_CLIENT, "", "-- v4 h"), OPTIONS_RUN);
    assert_string_equal(options.host, "h");
}

static void caps_follow_what_is_kept(void **state)
{
    (void)state;
    assert_int_equal(read_line(ROLE_SERVER, "TESTBED_CONTENT=keep", ""), OPTIONS_RUN);
    assert_int_equal(options.max_total_bytes, 268435456);
    assert_int_equal(read_line(ROLE_SERVER, "TESTBED_MAX_TOTAL_BYTES=7", "--content keep"), OPTIONS_RUN);
    assert_int_equal(options.max_total_bytes, 7);
}

static void leading_zeros_and_a_role_given_twice(void **state)
{
    (void)state;
    assert_int_equal(read_line(ROLE_CLIENT, "", "--nodes 0000000000000000000000000000000000000007"), OPTIONS_RUN);
    assert_int_equal(options.nodes, 7);
    assert_int_equal(read_line(ROLE_SERVER, "", "--role client --role=server"), OPTIONS_RUN);
}

static void check_rejected(enum role role, enum options_outcome outcome, const char *environment, const char *line)
{
    assert_int_equal(read_line(role, environment, line), outcome);
    assert_true(strlen(error) > 0);
    assert_null(strpbrk(error, "\n\x1b"));
}

static void usage_errors(void **state)
{
    static const char *const lines[] = {
        "--no-such 1",      "--port",          "--port 0",     "--port 65536",  "--port -1",      "--port +1",
        "--port 1x",        "--port 0x10",     "--port=",      "--nodes 2147483648", "--nodelay=2", "--nodelay=01", "--nodelay=", "--chunk-bytes 0",
        "--nodes 18446744073709551617", "--nodes 99999999999999999999999999", "--chunk-bytes 67108865",
        "v4 --family ipv4", "v4 h --host h",   "8888 10 --port 1", "v4 h 1 2 3 4", "--print most", "v4 h x",
        "--no\x1bsuch 1",   "--read-bytes x",  "--nodelay= x", "--por 8888",    "--help=1",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        check_rejected(ROLE_CLIENT, OPTIONS_USAGE_ERROR, "", lines[i]);
    check_rejected(ROLE_SERVER, OPTIONS_USAGE_ERROR, "", "8888");
    check_rejected(ROLE_SERVER, OPTIONS_USAGE_ERROR, "TESTBED_MAX_CONNECTIONS=0", "");
    check_rejected(ROLE_CLIENT, OPTIONS_USAGE_ERROR, "TESTBED_NODES=ten", "");
    check_rejected(ROLE_CLIENT, OPTIONS_USAGE_ERROR, "TESTBED_VERBOSE=00", "");
}

static void errors_name_the_source_and_value(void **state)
{
    static const struct {
        enum options_outcome outcome;
        const char *environment;
        const char *line;
        const char *named;
    } cases[] = {
        {OPTIONS_USAGE_ERROR, "TESTBED_CHUNK_BYTES=x", "", "TESTBED_CHUNK_BYTES x"},
        {OPTIONS_USAGE_ERROR, "TESTBED_NODELAY=yes", "", "TESTBED_NODELAY yes"},
        {OPTIONS_UNSUPPORTED, "TESTBED_FAMILY=ipx", "", "TESTBED_FAMILY ipx"},
        {OPTIONS_USAGE_ERROR, "TESTBED_PORT=1", "--port=http", "--port http"},
        {OPTIONS_USAGE_ERROR, "", "v4 h x", "port x"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        check_rejected(ROLE_CLIENT, cases[i].outcome, cases[i].environment, cases[i].line);
        assert_memory_equal(error, cases[i].named, strlen(cases[i].named));
    }
}

static void unsupported(void **state)
{
    (void)state;
    check_rejected(ROLE_CLIENT, OPTIONS_UNSUPPORTED, "", "v5 h 1 2 3");
    check_rejected(ROLE_CLIENT, OPTIONS_UNSUPPORTED, "", "localhost");
    check_rejected(ROLE_CLIENT, OPTIONS_UNSUPPORTED, "", "8888");
    check_rejected(ROLE_CLIENT, OPTIONS_UNSUPPORTED, "", "localhost 8888");
    check_rejected(ROLE_CLIENT, OPTIONS_UNSUPPORTED, "TESTBED_ROLE=server", "");
    check_rejected(ROLE_SERVER, OPTIONS_UNSUPPORTED, "TESTBED_ROLE=proxy", "");
    check_rejected(ROLE_SERVER, OPTIONS_UNSUPPORTED, "", "--role client");
    check_rejected(ROLE_SERVER, OPTIONS_UNSUPPORTED, "", "--family ipx");
    check_rejected(ROLE_CLIENT, OPTIONS_UNSUPPORTED, "TESTBED_FAMILY=v4", "");
}

static void what_a_role_does_not_use(void **state)
{
    (void)state;
    assert_int_equal(read_line(ROLE_CLIENT, "TESTBED_READ_BYTES=x TESTBED_PRINT=x", "--max-nodes 7"), OPTIONS_RUN);
    assert_int_equal(read_line(ROLE_SERVER, "TESTBED_NODES=x TESTBED_HOST=h", "--port 0 --nodes 3"), OPTIONS_RUN);
    assert_int_equal(options.port, 0);
}

static void help(void **state)
{
    (void)state;
    assert_int_equal(read_line(ROLE_CLIENT, "", "--help"), OPTIONS_HELP);
    assert_int_equal(read_line(ROLE_CLIENT, "TESTBED_PORT=x", "v5 --port x --help"), OPTIONS_HELP);
    for (int role = ROLE_CLIENT; role <= ROLE_SERVER; role++) {
        char *text;
        size_t size;
        FILE *out = open_memstream(&text, &size);
        options_help((enum role)role, out);
        fclose(out);
        assert_non_null(strstr(text, "--port"));
        assert_int_equal(strstr(text, "--chunk-bytes") != NULL, role == ROLE_CLIENT);
        assert_int_equal(strstr(text, "--read-delay-us") != NULL, role == ROLE_SERVER);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),    cmocka_unit_test(arguments_win), cmocka_unit_test(positionals),
        cmocka_unit_test(caps_follow_what_is_kept), cmocka_unit_test(leading_zeros_and_a_role_given_twice),
        cmocka_unit_test(usage_errors), cmocka_unit_test(unsupported),
        cmocka_unit_test(errors_name_the_source_and_value),
        cmocka_unit_test(what_a_role_does_not_use), cmocka_unit_test(help),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
