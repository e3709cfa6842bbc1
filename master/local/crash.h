/* crash: says in which job, task and record a crash happened, before the process ends by it. */
#ifndef MR_LOCAL_CRASH_H
#define MR_LOCAL_CRASH_H

/* Has an exit() in a callback end the process by SIGABRT, with a sentence; and installs the handler
 * for SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGABRT, once a process. What it prints comes from
 * mr_context_where of the crashing thread. */
void mr_crash_install(void);

/* Give the calling thread a stack for the handler, so that a stack overflow is reported too; and
 * take it back. */
void mr_crash_thread_start(void);
void mr_crash_thread_end(void);

#endif
