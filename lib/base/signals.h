/* signals: what the signals by which code crashes are called, in words. */
#ifndef MR_BASE_SIGNALS_H
#define MR_BASE_SIGNALS_H

/* NULL: none of them. May be called from a signal handler. */
const char *mr_signals_crash_name(int number);

#endif
