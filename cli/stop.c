/* stop: turns the signals that end a command into a flag that the run looks at. */
#include "cli/stop.h"

#include "lib/base/error.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

static atomic_bool stop_flag;
static atomic_int stop_signal;

void mr_stop_note(int signal_number) {
    int none = 0;
    atomic_compare_exchange_strong(&stop_signal, &none, signal_number);
    atomic_store(&stop_flag, true);
}

static void handle_signal(int signal_number) {
    mr_stop_note(signal_number);
}

const atomic_bool *mr_stop_catch(void) {
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    /* SA_RESTART: the flag alone carries the news, no system call fails with EINTR for it. */
    struct sigaction action = {.sa_handler = handle_signal,
                               .sa_flags = (int)(SA_RESTART | SA_RESETHAND)};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        struct sigaction before;
        if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN) {
            sigaction(signals[i], &action, NULL);
        }
    }
    return &stop_flag;
}

int mr_stop_exit_status(int status) {
    int signal_number = atomic_load(&stop_signal);
    if (status == MR_ERR_INTERRUPTED && signal_number) {
        return 128 + signal_number;
    }
    return mr_error_exit_status(status);
}
