/* machine: what this process may use of the machine. */
#ifndef MR_BASE_MACHINE_H
#define MR_BASE_MACHINE_H

#include <stdint.h>

/* CPUs that the process may run on (affinity and cgroup quota), at least 1. */
unsigned mr_machine_cpus(void);

/* Bytes of memory: the machine's, or what its cgroup (v1, v2) grants, whichever is less. */
uint64_t mr_machine_memory(void);

/* The process's peak resident set, in bytes. */
uint64_t mr_machine_peak_rss(void);

#endif
