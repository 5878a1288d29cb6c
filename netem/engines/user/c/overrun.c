/* Under SCHED_FIFO a flood of frames could keep a processor for itself. RLIMIT_RTTIME then sends SIGXCPU, and the
 * process becomes an ordinary one at once, also in the middle of a burst. scheduling.py sets the limit. */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stddef.h>

/* Returns 0, or -1 with errno set. */
int overrun_guard(void);

static void become_ordinary(int number)
{
    (void)number;
    const struct sched_param none = {0};
    /* Without the flag the call would need a capability, which this process has dropped. */
    sched_setscheduler(0, SCHED_OTHER | SCHED_RESET_ON_FORK, &none);
}

int overrun_guard(void)
{
    struct sigaction action = {.sa_handler = become_ordinary, .sa_flags = SA_RESTART};
    return sigaction(SIGXCPU, &action, NULL);
}
