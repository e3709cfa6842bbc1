/* run: runs a job on threads of the calling process; the `millrace` command is written on it.
 *
 *     const char *paths[] = {"book.txt", "logs"};
 *     struct mr_run_spec spec = {.job = job, .inputs = paths, .input_count = 2, .output = "out"};
 *     struct mr_run_result result;
 *     struct mr_error err = {0};
 *     if (mr_run(&spec, &result, &err)) {
 *         fprintf(stderr, "%s\n", err.text);
 *     }
 *     mr_run_result_fini(&result);
 */
#ifndef MR_RUN_H
#define MR_RUN_H

#include <mr/job.h>
#include <stdatomic.h>

/* A parameter as the user wrote it: --name value (value NULL: a flag given). */
struct mr_run_param {
    const char *name;
    const char *value;
};

/* How far a running job is. Bytes are of the input (map) or of the sorted runs (reduce), 0 in
 * `bytes_total` where it can't be known. */
struct mr_run_progress {
    const char *job;
    const char *round;
    enum mr_phase phase; /* MR_PHASE_LOOP: a loop's lines are about to be written */
    uint64_t pass;       /* of a loop, from 1; 0: the job doesn't loop */
    uint64_t bytes_done;
    uint64_t bytes_total;
    uint64_t
        records;    /* read so far by the round's map: of the input, or pairs of the round before */
    double seconds; /* since the start */
};

#define MR_RUN_MAX_ATTEMPTS 4
#define MR_RUN_TASK_TIMEOUT 600
#define MR_RUN_TASK_MEMORY_MIN ((uint64_t)64 << 20)

/* What to run. Zero means the default everywhere; pointers are borrowed until mr_run returns. */
struct mr_run_spec {
    const struct mr_job *job;
    const char *const *inputs; /* files, directories, globs, "-" for standard input */
    size_t input_count;        /* 0: standard input */
    const struct mr_run_param *params;
    size_t param_count;
    const char *output;    /* a directory to make; NULL: one sorted stream to output_fd */
    int output_fd;         /* without `output` */
    bool overwrite;        /* replace `output` at the end, where it holds a manifest */
    unsigned threads;      /* 0: as many as the process may use */
    uint64_t memory_bytes; /* 0: half of what the machine or its cgroup grants; at least 16 MiB */
    uint64_t record_bytes_max; /* 0: 64 MiB; never more than a quarter of the memory, of a job that
                                  combines by code of its own an eighth */
    /* Of the last round; 0: from the size of the input. Another number than the result will have,
     * without `output` or where the round has one of its own, is MR_ERR_USAGE. */
    uint32_t partitions;
    const char *tmp; /* where spills go; NULL: $TMPDIR, else /tmp */
    bool verbose;    /* the job's log goes to standard error */
    bool
        crash_report; /* a crash in a callback prints job, task and record, then ends the process */

    /* The job's code in processes of its own: see mr_run_task. A crash is then a failed attempt. */
    bool isolate;
    const char *task_program; /* with isolate: the executable that is run as `PROGRAM task` */
    const char *job_name; /* with isolate: what mr_run_find_job finds there; NULL: its own job */
    uint64_t task_memory_bytes; /* of a task and what it starts; 0: any */
    double task_timeout;        /* seconds without a record; 0: MR_RUN_TASK_TIMEOUT */
    uint32_t max_attempts;      /* at a task; 0: MR_RUN_MAX_ATTEMPTS */
    uint32_t skip_bad_records;  /* records that may be set aside since the code fails on them */

    const atomic_bool
        *stop; /* set from anywhere (a signal handler): the run ends with MR_ERR_INTERRUPTED */

    /* Called about ten times a second from the thread that called mr_run. */
    void (*progress)(void *arg, const struct mr_run_progress *progress);
    void *progress_arg;

    /* A folder for a journal and what tasks leave for one another, made where it is missing: the
     * run survives its process, and the same spec goes on where it was. Needs `output`, and inputs
     * that are files. NULL: none. */
    const char *state;
};

/* Where a phase's time went. */
struct mr_run_phase {
    double seconds;        /* wall */
    double thread_seconds; /* summed over threads: busy */
    double wait_seconds;   /* summed over threads: waiting for input, for output, for one another */
    uint64_t bytes;        /* read (map); written (reduce) */
};

struct mr_run_part {
    uint64_t records;
    uint64_t bytes;
    uint64_t xxh3;
};

/* A counter of the job's own. */
struct mr_run_counter {
    const char *name;
    uint64_t value;
};

/* The books of a run: they balance, or the run failed. Logical ones are a function of inputs, job
 * and parameters; physical ones (combined, shuffled, spilled) depend on memory and threads too. */
#define MR_RUN_COUNTER_TABLE(X)                                                                    \
    X(records_read, logical)                                                                       \
    X(records_mapped, logical)                                                                     \
    X(records_skipped, logical)                                                                    \
    X(pairs_emitted, logical)                                                                      \
    X(pairs_combined, physical)                                                                    \
    X(pairs_shuffled, physical)                                                                    \
    X(pairs_reduced, physical)                                                                     \
    X(groups, logical)                                                                             \
    X(groups_with_output, logical)                                                                 \
    X(groups_without_output, logical)                                                              \
    X(records_out, logical)                                                                        \
    X(bytes_spilled, physical)

struct mr_run_books {
#define MR_RUN_COUNTER_ROW(name, kind) uint64_t name;
    MR_RUN_COUNTER_TABLE(MR_RUN_COUNTER_ROW)
#undef MR_RUN_COUNTER_ROW
};

/* A row of the job's list of rounds; of a loop, all its passes added up. */
struct mr_run_round {
    const char *name;
    struct mr_run_books books;
    struct mr_run_phase map;
    struct mr_run_phase reduce;
};

/* What a loop came to. */
struct mr_run_loop {
    uint64_t passes;
    double seconds;         /* in start and round_done, wall */
    uint64_t state_bytes;   /* of the last state */
    uint64_t state_xxh3[2]; /* its name: XXH3-128 of its bytes, the high half first */
};

/* What a run did; filled as far as the run came, also where it failed. Release with
 * mr_run_result_fini. */
struct mr_run_result {
    struct mr_run_round *rounds;
    size_t round_count;
    struct mr_run_loop loop;   /* of a job that loops */
    struct mr_run_part *parts; /* of the output directory; none for a stream */
    size_t part_count;
    struct mr_run_counter *counters;
    size_t counter_count;
    uint64_t input_bytes;
    uint64_t output_bytes;
    uint64_t output_records;
    unsigned threads; /* really used */
    uint64_t memory_bytes;
    uint64_t peak_rss_bytes;
    double seconds;
    uint32_t tasks_kept; /* with `state`: done before this process began */
    uint32_t tasks_run;  /* with `state`: done by this one */
    bool was_done;       /* with `state`: all was, and nothing was run */
    char *manifest; /* the JSON text of _manifest.json, also where no directory was written; may be
                       NULL */
};

/* Runs the job to its end. Returns 0, or a status with its sentence in *err: then no output
 * directory appeared, and scratch files are gone. Several runs may go on at once in one process. */
MR_MUST_USE int mr_run(const struct mr_run_spec *spec, struct mr_run_result *result,
                       struct mr_error *err);
void mr_run_result_fini(struct mr_run_result *result);

/* Writes what mr_run would do, as text for people, to `out`: inputs, what is skipped and why,
 * splits, what can't be split and why, partitions, threads, memory. Reads no data beyond each
 * file's first bytes. */
MR_MUST_USE int mr_run_explain(const struct mr_run_spec *spec, int out_fd, struct mr_error *err);

/* Checks every part of an output directory against its manifest's sizes and checksums. */
MR_MUST_USE int mr_run_verify(const char *output, struct mr_run_result *result,
                              struct mr_error *err);

/* A job that a journal holds. */
struct mr_run_journal_job {
    uint32_t number;
    char id[33];
    const char *state; /* "running", "closing", "publishing", "stopping", "done", "failed",
                          "cancelled" */
    char *command;     /* about as it was typed */
    char *why;         /* it failed; NULL: it didn't */
    uint32_t round;
    uint32_t map_tasks;
    uint32_t maps_done;
    uint32_t reduce_tasks;
    uint32_t reduces_done;
    bool has_files; /* with --state: map outputs ... */
    uint64_t files; /* ... that are there, as long as they should be */
    uint64_t files_bytes;
    uint64_t files_missing; /* and those that will be made again */
};

/* What a journal holds: that of a --state folder the last job, a master's all jobs that it knows,
 * ascending; and the journal's own measures. */
struct mr_run_journal {
    uint64_t starts;      /* how often a run, or a master, began on it */
    uint64_t entries;     /* that were replayed */
    uint64_t events;      /* of the scheduler, among them */
    uint64_t comparisons; /* of the replayed state's hash with the one stored */
    uint64_t bytes;       /* of the file */
    struct mr_run_journal_job *jobs;
    size_t job_count;
};

/* Replays the journal in `state` and checks all that can be checked, changing nothing. MR_ERR_INPUT
 * where it is damaged, with what and how much is known; MR_ERR_IO where it is in use, or can't be
 * read. Release with mr_run_journal_fini in any case. */
MR_MUST_USE int mr_run_fsck(const char *state, struct mr_run_journal *about, struct mr_error *err);
void mr_run_journal_fini(struct mr_run_journal *about);

/* Finds a job: the name of a built-in one, or the path of a plugin (it holds a '/'). A plugin stays
 * loaded until the process ends. */
MR_MUST_USE int mr_run_find_job(const char *name, const struct mr_job **job, struct mr_error *err);

/* The built-in jobs, ended by NULL. */
const struct mr_job *const *mr_run_jobs(void);

/* What spec->task_program does when it is called as `PROGRAM task ARGS...`: runs the job's code for
 * the engine that started it, until that has no more to ask. `job`: the program's own; NULL: the
 * one that the engine names, built-in or plugin. `args`: what stands behind `task`, ended by NULL.
 * It makes a second process; call it first thing, with one thread. Started by anybody else:
 * MR_ERR_USAGE. The `millrace` command does this: a program that runs jobs by name can just name
 * the command's path as task_program. */
MR_MUST_USE int mr_run_task(const struct mr_job *job, char *const *args, struct mr_error *err);

const char *mr_run_version(void);

#endif
