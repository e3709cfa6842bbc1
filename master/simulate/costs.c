/* costs: how long the tasks of a job take, from a run that was, or from rates.
 *
 * A run's manifest says for each round how many bytes its threads mapped and wrote, and how long
 * they were busy. A task is taken to need its share of that: a map task by its bytes; reduce tasks
 * equal shares, grown with the input. What is shuffled is not in a manifest: it is taken to be as
 * much as the round writes. Without a manifest a round maps, shuffles and writes as many bytes as
 * it reads. */
#include "master/simulate/costs.h"

#include "lib/base/error.h"
#include "lib/output/manifest.h"
#include "lib/output/manifest_read.h"

#include <stdlib.h>
#include <string.h>

#define MB 1e6
#define MAP_MBPS 100
#define REDUCE_MBPS 100
#define NET_MBPS 125

/* What a round takes, in all. */
struct totals {
    uint64_t input_bytes;
    uint64_t output_bytes;
    double map_seconds;
    double reduce_seconds;
};

static uint64_t to_ms(double seconds) {
    double ms = seconds * 1000;
    return ms < 1 ? 1 : ms > 1e15 ? (uint64_t)1e15 : (uint64_t)ms;
}

/* The totals of each round by rates. */
static void total_by_rates(const struct mr_simulate_spec *spec, const struct mr_plan *plan,
                           struct totals *totals) {
    double map_rate = MB * (spec->map_mbps ? spec->map_mbps : MAP_MBPS);
    double reduce_rate = MB * (spec->reduce_mbps ? spec->reduce_mbps : REDUCE_MBPS);
    for (uint32_t i = 0; i < plan->round_count; i++) {
        uint64_t bytes = plan->inputs.bytes;
        totals[i] = (struct totals){.input_bytes = bytes,
                                    .output_bytes = bytes,
                                    .map_seconds = (double)bytes / map_rate,
                                    .reduce_seconds = (double)bytes / reduce_rate};
    }
}

/* Whether a run tells anything about this one. */
static int compare_runs(const struct mr_simulate_spec *spec, const struct mr_plan *plan,
                        const struct mr_manifest_went *went, struct mr_error *err) {
    if (strcmp(went->job, plan->job->name) != 0) {
        return mr_error_set(err, MR_ERR_INPUT,
                            "\"%.300s\" is of a run of %.100s: no measure for %.100s", spec->from,
                            went->job, plan->job->name);
    }
    if (went->count != plan->round_count || went->input_bytes == 0) {
        return mr_error_set(err, MR_ERR_INPUT,
                            "\"%.300s\" is of a run of %zu round%s and %s: no measure for this job",
                            spec->from, went->count, went->count == 1 ? "" : "s",
                            went->input_bytes ? "some input" : "no input");
    }
    return MR_OK;
}

/* The same by a run that was, of an input that may have been smaller or larger. */
static int total_by_run(const struct mr_simulate_spec *spec, const struct mr_plan *plan,
                        struct totals *totals, struct mr_error *err) {
    struct mr_manifest_went went;
    if (mr_manifest_read_went(spec->from, &went, err) || compare_runs(spec, plan, &went, err)) {
        mr_manifest_read_went_fini(&went);
        return err->code;
    }
    double growth = (double)plan->inputs.bytes / (double)went.input_bytes;
    for (uint32_t i = 0; i < plan->round_count; i++) {
        const struct mr_run_round *round = &went.rounds[i];
        uint64_t read = i ? round->map.bytes : went.input_bytes;
        totals[i] = (struct totals){
            .input_bytes = (uint64_t)((double)read * growth),
            .output_bytes = (uint64_t)((double)round->reduce.bytes * growth),
            .map_seconds = round->map.thread_seconds * growth,
            .reduce_seconds = round->reduce.thread_seconds * growth,
        };
    }
    mr_manifest_read_went_fini(&went);
    return MR_OK;
}

/* The bytes of a map task of the first round. */
static uint64_t split_bytes(const struct mr_plan *plan, uint32_t split) {
    const struct mr_split *about = &plan->splits.items[split];
    uint64_t size = plan->inputs.items[about->input].size;
    return (about->end < size ? about->end : size) - about->begin;
}

static int fill_round(const struct mr_simulate_spec *spec, const struct mr_plan *plan,
                      const struct totals *totals, uint32_t number, struct mr_costs *costs,
                      struct mr_error *err) {
    struct mr_run_spec run = *spec->run;
    struct mr_costs_round *round = &costs->rounds[number];
    run.output = run.output ? run.output : "."; /* a cluster makes a directory */
    round->reduces = mr_plan_partitions(plan, &run, number);
    round->maps = number ? costs->rounds[number - 1].reduces : (uint32_t)plan->splits.count;
    round->map_ms = calloc((size_t)round->maps + 1, sizeof *round->map_ms);
    if (!round->map_ms) {
        return mr_error_nomem(err, "listing the tasks of a simulation");
    }
    for (uint32_t i = 0; i < round->maps; i++) {
        double share = number ? 1.0 / round->maps
                       : plan->inputs.bytes
                           ? (double)split_bytes(plan, i) / (double)plan->inputs.bytes
                           : 0;
        round->map_ms[i] = to_ms(totals->map_seconds * share);
    }
    double net =
        MB * (spec->net_mbps ? spec->net_mbps : NET_MBPS) / (spec->slots ? spec->slots : 1);
    round->input_bytes = totals->input_bytes;
    round->shuffle_bytes = totals->output_bytes;
    round->fetch_ms = to_ms((double)totals->output_bytes / round->reduces / net);
    round->reduce_ms = to_ms(totals->reduce_seconds / round->reduces);
    return MR_OK;
}

int mr_costs_make(const struct mr_simulate_spec *spec, const struct mr_plan *plan,
                  struct mr_costs *costs, struct mr_error *err) {
    *costs = (struct mr_costs){.round_count = plan->round_count};
    struct totals *totals = calloc(plan->round_count, sizeof *totals);
    costs->rounds = calloc(plan->round_count, sizeof *costs->rounds);
    if (!totals || !costs->rounds) {
        mr_error_nomem(err, "listing the rounds of a simulation");
    } else if (!spec->from) {
        total_by_rates(spec, plan, totals);
    } else {
        (void)!total_by_run(spec, plan, totals, err);
    }
    for (uint32_t i = 0; i < plan->round_count && !err->code; i++) {
        (void)!fill_round(spec, plan, &totals[i], i, costs, err);
    }
    free(totals);
    return err->code;
}

void mr_costs_fini(struct mr_costs *costs) {
    for (uint32_t i = 0; costs->rounds && i < costs->round_count; i++) {
        free(costs->rounds[i].map_ms);
    }
    free(costs->rounds);
    *costs = (struct mr_costs){0};
}
