/* run: the embedded engine's face: plans a run, has the crew do it, publishes the output. */
#include <mr/run.h>

#include "jobs/jobs.h"
#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/base/machine.h"
#include "lib/base/nearest.h"
#include "lib/job/plugin.h"
#include "lib/output/manifest.h"
#include "lib/output/verify.h"
#include "master/local/common/crash.h"
#include "master/local/files/fleet.h"
#include "master/local/fsck.h"
#include "master/local/plan/explain.h"
#include "master/local/threads/crew.h"
#include "task/serve.h"
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define ID_BYTES 16

/* A run under way. */
struct run {
    const struct mr_run_spec *spec;
    struct mr_run_result *result;
    struct mr_plan plan;
    struct mr_commit *commit;
    struct mr_crew *crew; /* NULL: the fleet runs it */
    char id[2 * ID_BYTES + 1];
    double started;
    struct timespec started_wall; /* for the manifest alone */
};

static int make_id(struct run *run, struct mr_error *err) {
    static const char digits[] = "0123456789abcdef";
    unsigned char random[ID_BYTES];
    if (getrandom(random, sizeof random, 0) != sizeof random) {
        return mr_error_set(err, MR_ERR_IO, "the system gave no random bytes for the job's id");
    }
    for (size_t i = 0; i < ID_BYTES; i++) {
        run->id[2 * i] = digits[random[i] >> 4];
        run->id[2 * i + 1] = digits[random[i] & 15];
    }
    return MR_OK;
}

static int prepare(struct run *run, struct mr_error *err) {
    const struct mr_run_spec *spec = run->spec;
    struct mr_run_result *result = run->result;
    if (mr_plan_make(spec, &run->plan, err) || make_id(run, err)) {
        return err->code;
    }
    struct mr_error unsaid = {0}; /* what is said of it is not worth a run */
    if (spec->verbose) {
        (void)!mr_explain_skipped(&run->plan, STDERR_FILENO, &unsaid);
    }
    uint32_t parts = mr_plan_parts(&run->plan, spec);
    result->threads = run->plan.threads;
    result->memory_bytes = run->plan.memory.total;
    result->input_bytes = run->plan.inputs.bytes;
    result->rounds = calloc(run->plan.round_count, sizeof *result->rounds);
    result->parts = calloc(parts, sizeof *result->parts);
    if (!result->rounds || !result->parts) {
        return mr_error_nomem(err, "planning the run");
    }
    if (spec->output) {
        result->part_count = parts;
    }
    if (spec->output && !spec->state) {
        return mr_commit_begin(spec->output, spec->overwrite, run->id, &run->commit, err);
    }
    return MR_OK;
}

/* What is known when all rounds are done. */
static int write_manifest(void *arg, struct mr_error *err) {
    struct run *run = arg;
    struct mr_run_result *result = run->result;
    const struct mr_run_round *last = &result->rounds[result->round_count - 1];
    if (!run->plan.loops) { /* a loop has counted its lines */
        result->output_records = last->books.records_out;
        result->output_bytes = last->reduce.bytes;
    }
    result->peak_rss_bytes = mr_machine_peak_rss();
    result->seconds = mr_clock_seconds() - run->started;
    struct mr_manifest_source source = {
        .job = run->plan.job,
        .params = run->plan.params,
        .facts = run->plan.facts,
        .loops = run->plan.loops,
        .partitions = mr_plan_partitions(&run->plan, run->spec, run->plan.round_count - 1),
        .inputs = &run->plan.inputs,
        .spec = run->spec,
        .result = result,
        .id = run->id,
        .version = MR_VERSION,
        .started = run->started_wall};
    return mr_manifest_write(&source, &result->manifest, err);
}

static int publish(struct run *run, struct mr_error *err) {
    struct mr_run_result *result = run->result;
    int status = MR_OK;
    if (run->commit) {
        status = mr_commit_publish(run->commit, result->parts, mr_crew_winners(run->crew),
                                   result->part_count, result->manifest, err);
    }
    struct mr_error refused = {0};
    if (mr_crew_published(run->crew, status, &refused) && !err->code) {
        *err = refused;
    }
    return err->code;
}

/* Threads that help one another, all in memory. */
static int run_crew(struct run *run, struct mr_error *err) {
    struct mr_stage_source source = {
        .spec = run->spec, .plan = &run->plan, .result = run->result, .commit = run->commit};
    return mr_crew_create(&source, &run->crew, err) || mr_crew_run(run->crew, err) ||
                   write_manifest(run, err)
               ? err->code
               : publish(run, err);
}

/* Tasks that hand files to one another. */
static int run_fleet(struct run *run, struct mr_error *err) {
    struct mr_fleet_source source = {.spec = run->spec,
                                     .plan = &run->plan,
                                     .result = run->result,
                                     .commit = run->commit,
                                     .id = run->id,
                                     .write_manifest = write_manifest,
                                     .arg = run};
    return mr_fleet_run(&source, err);
}

int mr_run(const struct mr_run_spec *spec, struct mr_run_result *result, struct mr_error *err) {
    struct run run = {.spec = spec, .result = result, .started = mr_clock_seconds()};
    *result = (struct mr_run_result){0};
    clock_gettime(CLOCK_REALTIME, &run.started_wall);
    if (spec->crash_report) {
        mr_crash_install();
        mr_crash_thread_start(); /* a tiny job runs in this thread */
    }
    if (!prepare(&run, err)) {
        (void)!(spec->state || spec->isolate ? run_fleet(&run, err) : run_crew(&run, err));
    }
    mr_crew_destroy(run.crew);
    mr_commit_end(run.commit);
    mr_plan_fini(&run.plan);
    if (spec->crash_report) {
        mr_crash_thread_end();
    }
    result->peak_rss_bytes = mr_machine_peak_rss();
    result->seconds = mr_clock_seconds() - run.started;
    return err->code;
}

void mr_run_result_fini(struct mr_run_result *result) {
    free(result->rounds);
    free(result->parts);
    free(result->counters);
    free(result->manifest);
    *result = (struct mr_run_result){0};
}

int mr_run_explain(const struct mr_run_spec *spec, int out_fd, struct mr_error *err) {
    struct mr_plan plan;
    if (!mr_plan_make(spec, &plan, err)) {
        (void)!mr_explain_write(spec, &plan, out_fd, err);
    }
    mr_plan_fini(&plan);
    return err->code;
}

int mr_run_verify(const char *output, struct mr_run_result *result, struct mr_error *err) {
    *result = (struct mr_run_result){0};
    (void)!mr_verify_output(output, &result->parts, &result->part_count, err);
    for (size_t i = 0; i < result->part_count; i++) {
        result->output_records += result->parts[i].records;
        result->output_bytes += result->parts[i].bytes;
    }
    return err->code;
}

int mr_run_fsck(const char *state, struct mr_run_journal *about, struct mr_error *err) {
    return mr_fsck_look(state, about, err);
}

void mr_run_journal_fini(struct mr_run_journal *about) {
    for (size_t i = 0; i < about->job_count; i++) {
        free(about->jobs[i].command);
        free(about->jobs[i].why);
    }
    free(about->jobs);
    *about = (struct mr_run_journal){0};
}

const struct mr_job *const *mr_run_jobs(void) {
    return mr_jobs;
}

int mr_run_find_job(const char *name, const struct mr_job **job, struct mr_error *err) {
    const char *names[MR_JOBS_MAX];
    size_t count = 0;
    if (strchr(name, '/')) {
        return mr_plugin_load(name, job, err);
    }
    for (; mr_jobs[count]; count++) {
        names[count] = mr_jobs[count]->name;
        if (strcmp(name, names[count]) == 0) {
            *job = mr_jobs[count];
            return MR_OK;
        }
    }
    const char *near = mr_nearest(name, names, count);
    mr_error_set(err, MR_ERR_USAGE, "there is no job named %s", name);
    if (near) {
        mr_error_add(err, ": did you mean %s?", near);
    }
    return err->code;
}

int mr_run_task(const struct mr_job *job, char *const *args, struct mr_error *err) {
    return mr_serve_task(job, args, err);
}

const char *mr_run_version(void) {
    return MR_VERSION;
}
