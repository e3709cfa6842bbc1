/* clock: monotonic seconds. */
#ifndef MR_BASE_CLOCK_H
#define MR_BASE_CLOCK_H

/* CLOCK_MONOTONIC in seconds: for durations and time-outs, never shown. */
double mr_clock_seconds(void);

#endif
