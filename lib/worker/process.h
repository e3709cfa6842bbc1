/* process: the engine's end of a task process: starts it, hears of it, ends it and all it started.
 *
 * The process is PROGRAM, run again as `PROGRAM task` (supervisor.h), in a session of its own, with
 * nothing open but /dev/null, its log, and three private descriptors. Three ways lead from it to
 * here: the channel, over which it answers; its log (what it and all it starts write to standard
 * output and error), of which the end is kept and all is counted; and a page of memory that both
 * map, in which it says where it is, and which is still there when it is not.
 *
 * One thread at a time. */
#ifndef MR_WORKER_PROCESS_H
#define MR_WORKER_PROCESS_H

#include "lib/job/context.h"
#include "lib/worker/channel.h"
#include "lib/worker/log.h"
#include "lib/worker/supervisor.h"

#define MR_PROCESS_PROCESSES_MAX 512u /* that a task may have at once, where a group bounds */

/* The page that both map. */
struct mr_process_beacon {
    struct mr_where where; /* its pointers are of no use here */
};

struct mr_process_options {
    const char *program;
    const char *name;      /* of its group */
    uint64_t memory_bytes; /* it and what it starts may use; 0: any */
    bool echoes;           /* its log goes to standard error too */
    double kill_seconds;   /* that its supervisor has to end all; 0: MR_PROCESS_KILL_SECONDS */
};
#define MR_PROCESS_KILL_SECONDS 20.0

enum mr_process_news {
    MR_PROCESS_QUIET, /* nothing happened within the time */
    MR_PROCESS_FRAME,
    MR_PROCESS_ENDED, /* with all it had started; the report tells how */
};

struct mr_process; /* opaque */

MR_MUST_USE int mr_process_start(const struct mr_process_options *options,
                                 struct mr_process **process, struct mr_error *err);
/* Ends it, if need be by force, waits for that, and frees it. Harmless on NULL. */
void mr_process_stop(struct mr_process *process);

struct mr_channel *mr_process_channel(struct mr_process *process);

/* Waits for news. The frame's body is valid until the next call. */
MR_MUST_USE int mr_process_wait(struct mr_process *process, int timeout_ms,
                                enum mr_process_news *news, enum mr_channel_kind *kind,
                                struct mr_bytes *body, struct mr_error *err);

/* What it logs: the caller says when attempts begin and end; it is taken in here, as it comes. */
struct mr_log *mr_process_log(struct mr_process *process);
/* While it does not read what is sent to it: hears what it says, for so long at most, until it may
 * read again. MR_ERR_CLOSED: it has ended. */
MR_MUST_USE int mr_process_tend(struct mr_process *process, int timeout_ms, struct mr_error *err);
/* An attempt is over: what it left running is killed. It is not waited for: */
void mr_process_sweep(struct mr_process *process);
/* Whether all sweeps are done, or the process has ended over them; waits for that, for so long at
 * most. Before then nothing more may be ordered: it would be swept away. */
bool mr_process_is_swept(struct mr_process *process, int timeout_ms);
/* Whether it may be given an order: it is there, swept, and has said nothing that nobody took. One
 * that may not is to be stopped: its code speaks where only the engine's may. */
bool mr_process_is_idle(const struct mr_process *process);
/* SIGTERM to the worker, or the end of all. ENDED is still to come. */
void mr_process_terminate(struct mr_process *process, bool at_once);
/* Its supervisor had its time and has not ended: it is killed, which takes the worker along. ENDED
 * comes, at the latest when this is called again. */
void mr_process_abandon(struct mr_process *process);

/* Where it is, or was. */
struct mr_where mr_process_where(const struct mr_process *process);
/* After ENDED; magic 0: its supervisor was killed and nothing is known. */
const struct mr_supervisor_report *mr_process_report(const struct mr_process *process);
/* It said that it could not join its cgroup: RLIMIT_AS bounds its memory. */
void mr_process_note_ungrouped(struct mr_process *process);
/* Whether a cgroup bounds its memory. */
bool mr_process_is_grouped(const struct mr_process *process);
/* How it is bounded, in words. */
const char *mr_process_bounds(const struct mr_process *process);

#endif
