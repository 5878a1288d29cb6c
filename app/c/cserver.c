#include "program.h"
#include "server.h"

int main(int argc, char *argv[])
{
    return program_main(ROLE_SERVER, server_run, argc, argv);
}
