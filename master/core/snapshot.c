/* snapshot: the durable state as bytes, and back.
 *
 * The text "MRCORE" and a version, then every field as a varint (LEB128), signed ones zigzag, in
 * the order of the functions below, which serve both directions: writing, `io` appends what a field
 * holds; reading, it fills the field. A task that was never touched takes one byte.
 *
 * Lists whose order matters for what happens next are written in order: tasks that run again,
 * attempts (by start), nodes with a free slot. What can be derived is not written. A state that
 * breaks an invariant is refused on reading, so that hostile bytes make no core that fails later.
 */
#include "master/core/snapshot.h"

#include "lib/base/buffer.h"
#include "lib/base/error.h"
#include "master/core/attempts.h"
#include "master/core/lines.h"
#include "master/core/nodes.h"
#include "master/core/outputs.h"
#include "master/core/rounds.h"
#include "master/core/schedule.h"
#include "master/core/slots.h"
#include <stdlib.h>
#include <string.h>

#define MAGIC "MRCORE"
#define VERSION 1
#define NUMBER_BYTES_MAX 10

/* Either way; `err` is sticky. */
struct io {
    bool writes;
    struct mr_buffer out;
    const unsigned char *at;
    const unsigned char *end;
    struct mr_error *err;
};

static void refuse(struct io *io, const char *why) {
    mr_error_set(io->err, MR_ERR_INPUT, "the scheduler's saved state is damaged: %s", why);
}

static void write_number(struct io *io, uint64_t value) {
    if (mr_buffer_reserve(&io->out, NUMBER_BYTES_MAX, io->err)) {
        return;
    }
    unsigned char *bytes = (unsigned char *)io->out.data;
    size_t len = io->out.len;
    for (; value >= 0x80; value >>= 7) {
        bytes[len++] = (unsigned char)(value | 0x80);
    }
    bytes[len++] = (unsigned char)value;
    io->out.len = len;
}

static uint64_t read_number(struct io *io) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && io->at < io->end; shift += 7) {
        unsigned char byte = *io->at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            return value;
        }
    }
    refuse(io, "a number is cut off");
    return 0;
}

static void io_u64(struct io *io, uint64_t *value) {
    if (io->err->code) {
        return;
    }
    if (io->writes) {
        write_number(io, *value);
    } else {
        *value = read_number(io);
    }
}

/* A number of at most `most`. */
static uint32_t io_u32(struct io *io, uint32_t value, uint32_t most) {
    uint64_t wide = value;
    io_u64(io, &wide);
    if (wide > most) {
        refuse(io, "a number is out of range");
        return 0;
    }
    return (uint32_t)wide;
}

/* How many of something follow, each of a byte or more. */
static uint32_t io_count(struct io *io, uint32_t count, uint32_t most) {
    count = io_u32(io, count, most);
    if (!io->writes && count > (size_t)(io->end - io->at)) {
        refuse(io, "a list is cut off");
        return 0;
    }
    return count;
}

static bool io_bool(struct io *io, bool value) {
    return io_u32(io, value, 1) != 0;
}

static int io_status(struct io *io, int status) {
    return -(int)io_u32(io, (uint32_t)-status, INT16_MAX);
}

static struct mr_core_attempt io_id(struct io *io, struct mr_core_attempt id) {
    id.job = io_u32(io, id.job, NONE - 1);
    id.round = io_u32(io, id.round, NONE - 1);
    id.phase = io_bool(io, id.phase == MR_PHASE_REDUCE) ? MR_PHASE_REDUCE : MR_PHASE_MAP;
    id.task = io_u32(io, id.task, MR_CORE_TASKS_MAX);
    id.attempt = io_u32(io, id.attempt, NONE - 1);
    return id;
}

/* ---- jobs -------------------------------------------------------------------------------------
 */

static void io_task(struct io *io, struct mr_state_task *task) {
    if (!io_bool(io, task->attempts > 0)) {
        return;
    }
    task->attempts = io_u32(io, task->attempts, NONE - 1);
    task->winner = io_u32(io, task->winner, task->attempts);
    task->node = io_u32(io, task->node + 1, MR_CORE_NODES_MAX) - 1; /* NONE: 0 */
    io_u64(io, &task->incarnation);
    task->has_digest = io_bool(io, task->has_digest);
    io_u64(io, &task->digest);
    task->first_attempt = io_u32(io, task->first_attempt, task->attempts);
    task->first_cause = io_status(io, task->first_cause);
    task->failures = (uint16_t)io_u32(io, task->failures, UINT16_MAX);
    task->uncounted = (uint16_t)io_u32(io, task->uncounted, UINT16_MAX);
    task->reports = (uint8_t)io_u32(io, task->reports, UINT8_MAX);
    task->reported = (uint8_t)io_u32(io, task->reported, UINT8_MAX);
    if (task->attempts == 0) {
        refuse(io, "a task without attempts");
    }
}

static void io_again(struct io *io, struct mr_core *core, struct mr_state_job *job,
                     enum mr_phase of) {
    struct mr_state_phase *phase = &job->phases[of];
    uint32_t count = 0;
    for (uint32_t task = phase->again; io->writes && task != NONE; task = phase->tasks[task].next) {
        count++;
    }
    count = io_count(io, count, phase->count);
    uint32_t task = phase->again;
    for (; count > 0 && !io->err->code; count--) {
        uint32_t at = io_u32(io, task, phase->count);
        if (io->writes) {
            task = phase->tasks[task].next;
        } else if (at >= phase->count || phase->tasks[at].is_queued ||
                   phase->tasks[at].attempts == 0 || phase->tasks[at].winner > 0) {
            refuse(io, "a task that can't run again");
        } else {
            mr_schedule_again(core, job, of, at);
        }
    }
}

static void io_phase(struct io *io, struct mr_core *core, struct mr_state_job *job,
                     enum mr_phase of) {
    struct mr_state_phase *phase = &job->phases[of];
    uint32_t count = io_count(io, phase->count, MR_CORE_TASKS_MAX);
    if (!io->writes && (io->err->code || mr_rounds_make_phase(count, phase, io->err))) {
        return;
    }
    for (uint32_t i = 0; i < count && !io->err->code; i++) {
        struct mr_state_task *task = &phase->tasks[i];
        io_task(io, task);
        if (!io->writes) {
            phase->open -= task->winner > 0;
            phase->ready -= task->attempts > 0;
        }
    }
    io_again(io, core, job, of);
}

static void io_hosts(struct io *io, struct mr_state_job *job) {
    uint32_t map_tasks = job->phases[MR_PHASE_MAP].count;
    if (!io_bool(io, job->task_hosts != NULL) || io->err->code) {
        return;
    }
    uint32_t count =
        io_count(io, map_tasks * MR_CORE_HOSTS_OF_TASK, MR_CORE_TASKS_MAX * MR_CORE_HOSTS_OF_TASK);
    if (!io->writes) {
        job->task_hosts = calloc((size_t)count + 1, sizeof *job->task_hosts);
    }
    if (!job->task_hosts || count != map_tasks * MR_CORE_HOSTS_OF_TASK) {
        refuse(io, "hosts of other tasks");
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        job->task_hosts[i] = io_u32(io, job->task_hosts[i], NONE);
    }
    if (!io->writes && !io->err->code) {
        (void)!mr_schedule_hosts(job->task_hosts, map_tasks, &job->hosts, io->err);
    }
}

/* Reading: brings a new job to a state, by steps that jobs take. */
static void reach_state(struct mr_state_job *job, enum mr_core_job_state state) {
    mr_state_set_job_state(job, MR_CORE_JOB_RUNNING);
    if (state == MR_CORE_JOB_STOPPING) {
        mr_state_set_job_state(job, state);
    }
    if (state == MR_CORE_JOB_CLOSING || state == MR_CORE_JOB_PUBLISHING) {
        mr_state_set_job_state(job, MR_CORE_JOB_CLOSING);
    }
    if (state == MR_CORE_JOB_PUBLISHING) {
        mr_state_set_job_state(job, MR_CORE_JOB_PUBLISHING);
    }
}

static void io_job(struct io *io, struct mr_core *core, struct mr_state_job *job) {
    job->number = io_u32(io, job->number, core->last_job);
    uint32_t state = io_u32(io, job->state, MR_CORE_JOB_STOPPING);
    job->round = io_u32(io, job->round, NONE - 1);
    job->max_attempts = io_u32(io, job->max_attempts, UINT16_MAX);
    job->weight = io_u32(io, job->weight, NONE);
    job->is_early = io_bool(io, job->is_early);
    job->is_strict = io_bool(io, job->is_strict);
    job->status = io_status(io, job->status);
    job->cause = io_id(io, job->cause);
    if (!io->writes && (state == MR_CORE_JOB_UNKNOWN || job->weight == 0)) {
        refuse(io, "a job in no state, or of no weight");
    }
    io_phase(io, core, job, MR_PHASE_MAP);
    io_phase(io, core, job, MR_PHASE_REDUCE);
    if (!io->err->code) {
        io_hosts(io, job);
    }
    if (!io->writes && !io->err->code) {
        reach_state(job, (enum mr_core_job_state)state);
    }
}

/* Reading: makes room for a job and puts it last, not in any state yet. */
static struct mr_state_job *append_job(struct mr_core *core, struct mr_error *err) {
    struct mr_state_job *job = calloc(1, sizeof *job);
    if (!job) {
        mr_error_nomem(err, "taking up a job");
        return NULL;
    }
    *job = (struct mr_state_job){
        .attempts = NONE, .attempts_last = NONE, .line_at = {NONE, NONE, NONE}};
    if (mr_rounds_reserve_job(core, err)) {
        free(job);
        return NULL;
    }
    core->jobs[core->job_count++] = job;
    return job;
}

static void io_jobs(struct io *io, struct mr_core *core) {
    core->last_job = io_u32(io, core->last_job, NONE - 1);
    uint32_t count = io_count(io, core->job_count, MR_CORE_JOBS_MAX);
    uint32_t before = 0;
    for (uint32_t i = 0; i < count && !io->err->code; i++) {
        struct mr_state_job *job = io->writes ? core->jobs[i] : append_job(core, io->err);
        if (!job) {
            return;
        }
        io_job(io, core, job);
        if (!io->err->code && job->number <= before) {
            refuse(io, "jobs out of order");
        }
        before = job->number;
    }
}

static void io_history(struct io *io, struct mr_core *core) {
    io_u64(io, &core->ended);
    uint64_t kept = core->ended < MR_CORE_HISTORY ? core->ended : MR_CORE_HISTORY;
    for (uint64_t i = 0; i < kept; i++) {
        core->history[i].job = io_u32(io, core->history[i].job, core->last_job);
        core->history[i].status = io_status(io, core->history[i].status);
    }
}

/* ---- nodes and attempts -----------------------------------------------------------------------
 */

static void io_node(struct io *io, struct mr_core *core, struct mr_state_node *node) {
    uint32_t state = io_u32(io, node->state, MR_CORE_NODE_STATES - 1);
    io_u64(io, &node->incarnation);
    if (state == MR_CORE_NODE_GONE) {
        return;
    }
    node->roles = (enum mr_core_role)io_u32(io, node->roles, MR_CORE_DOES_BOTH);
    node->host = io_u32(io, node->host, NONE);
    node->slots = io_u32(io, node->slots, MR_CORE_SLOTS_MAX);
    node->failures = io_u32(io, node->failures, NONE);
    if (io->writes || io->err->code) {
        return;
    }
    if (node->roles == 0 || node->slots == 0 || node->incarnation == 0) {
        refuse(io, "a node without slots, roles or an incarnation");
        return;
    }
    mr_state_set_node_state(core, node, MR_CORE_NODE_READY);
    if (state != MR_CORE_NODE_READY) {
        mr_state_set_node_state(core, node, (enum mr_core_node_state)state);
    }
}

static void io_nodes(struct io *io, struct mr_core *core) {
    uint32_t count = io_count(io, core->node_count, MR_CORE_NODES_MAX);
    if (!io->writes && count > 0 && mr_nodes_reserve(core, count - 1, io->err)) {
        return;
    }
    for (uint32_t i = 0; i < count && !io->err->code; i++) {
        io_node(io, core, &core->nodes[i]);
    }
    if (core->slots > MR_CORE_SLOTS_ALL_MAX) {
        refuse(io, "too many slots");
    }
    if (!io->writes && !io->err->code) {
        (void)!mr_attempts_reserve(core, core->slots, io->err);
    }
}

/* Reading: whether an attempt of this identity can run there. */
static bool can_run(const struct mr_core *core, const struct mr_core_attempt *id, uint32_t node,
                    bool is_stopping) {
    const struct mr_state_job *job = mr_state_find_job(core, id->job);
    if (!job || node >= core->node_count || core->nodes[node].state == MR_CORE_NODE_GONE ||
        core->nodes[node].busy == core->nodes[node].slots) {
        return false;
    }
    if (is_stopping) {
        return id->round <= job->round;
    }
    const struct mr_state_phase *phase = &job->phases[id->phase];
    return job->state == MR_CORE_JOB_RUNNING && id->round == job->round &&
           id->task < phase->count && !phase->tasks[id->task].is_queued &&
           phase->tasks[id->task].winner == 0 && id->attempt > 0 &&
           id->attempt <= phase->tasks[id->task].attempts;
}

static void io_attempts(struct io *io, struct mr_core *core) {
    uint32_t count = io_count(io, core->attempt_count, NONE);
    uint32_t next = core->attempt_oldest;
    for (uint32_t i = 0; i < count && !io->err->code; i++) {
        struct mr_state_attempt attempt = {0};
        if (io->writes) {
            attempt = core->attempts[next];
            next = attempt.newer;
        }
        struct mr_core_attempt id = io_id(io, mr_state_attempt_id(&attempt));
        uint32_t node = io_u32(io, attempt.node, MR_CORE_NODES_MAX);
        bool is_stopping = io_bool(io, attempt.is_stopping);
        bool is_backup = io_bool(io, attempt.is_backup);
        if (io->writes || io->err->code) {
            continue;
        }
        if (!can_run(core, &id, node, is_stopping)) {
            refuse(io, "an attempt that can't be running");
            return;
        }
        (void)mr_attempts_add(core, mr_state_find_job(core, id.job), &id, node, is_stopping,
                              is_backup);
    }
}

/* The nodes with a free slot, in the order in which they get tasks. */
static void io_free_nodes(struct io *io, struct mr_core *core) {
    for (int roles = MR_CORE_MAPS; roles <= MR_CORE_DOES_BOTH; roles++) {
        uint32_t next = core->node_first[roles];
        uint32_t count = 0;
        for (uint32_t node = next; node != NONE; node = core->nodes[node].after) {
            count++;
        }
        for (; count > 0 && !io->err->code; count--) { /* reading, these are listed by now */
            uint32_t node = io_u32(io, next, MR_CORE_NODES_MAX);
            if (io->writes) {
                next = core->nodes[next].after;
            } else if (node >= core->node_count || !core->nodes[node].is_listed ||
                       (int)core->nodes[node].roles != roles) {
                refuse(io, "a node without a free slot");
            } else {
                mr_slots_rotate(core, node);
            }
        }
    }
}

/* ---- the whole --------------------------------------------------------------------------------
 */

/* Reading: what follows from the rest. */
static void derive(struct mr_core *core) {
    for (uint32_t i = 0; i < core->job_count; i++) {
        struct mr_state_job *job = core->jobs[i];
        const struct mr_state_phase *map = &job->phases[MR_PHASE_MAP];
        for (uint32_t task = 0; task < map->count && job->state != MR_CORE_JOB_STOPPING; task++) {
            if (map->tasks[task].winner > 0 && mr_outputs_is_held(core, &map->tasks[task])) {
                core->nodes[map->tasks[task].node].held++;
            }
        }
        mr_lines_update(core, job);
    }
}

/* Reading: a running job has tasks left, and each of them has won, runs, or is ready. */
static void check_jobs(struct io *io, const struct mr_core *core) {
    for (uint32_t i = 0; i < core->job_count; i++) {
        const struct mr_state_job *job = core->jobs[i];
        bool is_running = job->state == MR_CORE_JOB_RUNNING;
        if (is_running != (job->phases[MR_PHASE_REDUCE].open > 0) &&
            job->state != MR_CORE_JOB_STOPPING) {
            refuse(io, "a round that is done and goes on, or the other way round");
        }
        if (job->state == MR_CORE_JOB_STOPPING && job->attempts == NONE) {
            refuse(io, "a job that waits for nothing");
        }
        for (int phase = 0; phase < PHASES && is_running; phase++) {
            for (uint32_t at = 0; at < job->phases[phase].count; at++) {
                const struct mr_state_task *task = &job->phases[phase].tasks[at];
                if (task->attempts > 0 && task->winner == 0 && task->running == NONE &&
                    !task->is_queued) {
                    refuse(io, "a task that nobody runs");
                }
            }
        }
    }
}

static void io_core(struct io *io, struct mr_core *core) {
    uint32_t version = io_u32(io, VERSION, NONE);
    if (version != VERSION) {
        refuse(io, "another version wrote it");
    }
    io_nodes(io, core);
    io_jobs(io, core);
    io_history(io, core);
    if (!io->err->code) {
        io_attempts(io, core);
    }
    for (uint32_t i = 0; i < core->node_count && !io->writes; i++) {
        mr_slots_update(core, i);
    }
    io_free_nodes(io, core);
}

int mr_snapshot_save(const struct mr_core *core, char **bytes, size_t *len, struct mr_error *err) {
    struct io io = {.writes = true, .err = err};
    if (mr_buffer_append(&io.out, MAGIC, strlen(MAGIC), err)) {
        return err->code;
    }
    io_core(&io, (struct mr_core *)core); /* writing changes nothing */
    if (err->code) {
        mr_buffer_fini(&io.out);
        return err->code;
    }
    *bytes = io.out.data;
    *len = io.out.len;
    return MR_OK;
}

int mr_snapshot_load(struct mr_core *core, const char *bytes, size_t len, struct mr_error *err) {
    struct io io = {.err = err};
    size_t magic = strlen(MAGIC);
    if (len < magic || memcmp(bytes, MAGIC, magic) != 0) {
        refuse(&io, "it begins with something else");
        return err->code;
    }
    io.at = (const unsigned char *)bytes + magic;
    io.end = (const unsigned char *)bytes + len;
    io_core(&io, core);
    if (!err->code && io.at != io.end) {
        refuse(&io, "something follows it");
    }
    if (!err->code) {
        check_jobs(&io, core);
    }
    if (!err->code) {
        derive(core);
    }
    return err->code;
}
