#include "client.h"
#include "program.h"

int main(int argc, char *argv[])
{
    return program_main(ROLE_CLIENT, client_run, argc, argv);
}
