/* signals: what the signals by which code crashes are called, in words. */
#include "lib/base/signals.h"

#include <signal.h>
#include <stddef.h>

const char *mr_signals_crash_name(int number) {
    switch (number) {
    case SIGSEGV:
        return "SIGSEGV (segmentation fault)";
    case SIGBUS:
        return "SIGBUS (bus error)";
    case SIGFPE:
        return "SIGFPE (arithmetic error)";
    case SIGILL:
        return "SIGILL (illegal instruction)";
    case SIGABRT:
        return "SIGABRT (aborted)";
    default:
        return NULL;
    }
}
