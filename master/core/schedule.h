/* schedule: gives free slots to tasks that are ready. */
#ifndef MR_CORE_SCHEDULE_H
#define MR_CORE_SCHEDULE_H

#include "master/core/state.h"

/* Lists which map tasks read from which host, from job->task_hosts. */
MR_MUST_USE int mr_schedule_hosts(const uint32_t *task_hosts, uint32_t map_tasks,
                                  struct mr_state_hosts *hosts, struct mr_error *err);
void mr_schedule_hosts_fini(struct mr_state_hosts *hosts);

/* A task that has started before shall run again: before those that have not. */
void mr_schedule_again(struct mr_core *core, struct mr_state_job *job, enum mr_phase phase,
                       uint32_t task);

/* A round has opened: gives its map tasks to free slots on the hosts of their input. */
void mr_schedule_place(struct mr_core *core, struct mr_state_job *job);

/* Fills free slots until no task is ready that they could run. Takes O(log jobs) a start. */
void mr_schedule_run(struct mr_core *core);

/* Starts a second attempt of a task on another node than `node`; false: none has a free slot. */
bool mr_schedule_backup(struct mr_core *core, struct mr_state_job *job, enum mr_phase phase,
                        uint32_t task, uint32_t node);

#endif
