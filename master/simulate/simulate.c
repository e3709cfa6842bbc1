/* simulate: says how long a job would take on a cluster, and what failures would cost. */
#include <mr/simulate.h>

#include "lib/base/buffer.h"
#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/term/units.h"
#include "master/local/plan/plan.h"
#include "master/simulate/cluster.h"
#include "master/simulate/costs.h"

/* With failures a job gets so many times the time that it takes without, and an hour. */
#define PATIENCE 20
#define HOUR_MS 3600000u

/* A duration for people, in a caller's array. */
struct time_text {
    char text[MR_UNITS_TEXT_MAX];
};
static struct time_text time_of(uint64_t ms) {
    struct time_text time;
    mr_units_seconds(time.text, sizeof time.text, (double)ms / 1000);
    return time;
}

static struct time_text size_of(uint64_t bytes) {
    struct time_text size;
    mr_units_bytes(size.text, sizeof size.text, bytes);
    return size;
}

static const char *plural(uint32_t number) {
    return number == 1 ? "" : "s";
}

static uint32_t or_one(uint32_t number) {
    return number ? number : 1;
}

static int check(const struct mr_simulate_spec *spec, struct mr_error *err) {
    if (spec->nodes > MR_SIMULATE_NODES_MAX || spec->slots > MR_SIMULATE_SLOTS_MAX) {
        return mr_error_set(err, MR_ERR_USAGE, "at most %d nodes of %d slots can be simulated",
                            MR_SIMULATE_NODES_MAX, MR_SIMULATE_SLOTS_MAX);
    }
    if (spec->slow < 0 || spec->slow > 1 || spec->mtbf_seconds < 0) {
        return mr_error_set(err, MR_ERR_USAGE,
                            "the share of slow nodes is from 0 to 1, and a mean time between "
                            "failures is not negative");
    }
    return MR_OK;
}

/* ---- what was assumed -------------------------------------------------------------------------
 */

static int write_rounds(struct mr_buffer *out, const struct mr_plan *plan,
                        const struct mr_costs *costs, struct mr_error *err) {
    for (uint32_t i = 0; i < costs->round_count; i++) {
        const struct mr_costs_round *round = &costs->rounds[i];
        uint64_t all = 0;
        for (uint32_t task = 0; task < round->maps; task++) {
            all += round->map_ms[task];
        }
        if (mr_buffer_printf(out, err,
                             "round %-4u %s: %u map task%s of about %s, %u reduce task%s of %s and "
                             "%s to read %s share\n",
                             i + 1, plan->rounds[i].name, round->maps, plural(round->maps),
                             time_of(round->maps ? all / round->maps : 0).text, round->reduces,
                             plural(round->reduces), time_of(round->reduce_ms).text,
                             time_of(round->fetch_ms).text,
                             round->reduces == 1 ? "its" : "their")) {
            return err->code;
        }
    }
    return MR_OK;
}

/* Passes are not played one by one. */
static int write_loop(struct mr_buffer *out, const struct mr_simulate_spec *spec,
                      const struct mr_plan *plan, struct mr_error *err) {
    if (!plan->loops) {
        return MR_OK;
    }
    return mr_buffer_append_text(out,
                                 spec->from
                                     ? "loop       all passes of that run, as if they were one\n"
                                     : "loop       one pass; every other takes as long\n",
                                 err);
}

static int write_assumptions(struct mr_buffer *out, const struct mr_simulate_spec *spec,
                             const struct mr_plan *plan, const struct mr_costs *costs,
                             struct mr_error *err) {
    if (mr_buffer_printf(
            out, err, "job        %s, %s of input\ncluster    %u node%s of %u slot%s\n",
            plan->job->name, size_of(plan->inputs.bytes).text, or_one(spec->nodes),
            plural(or_one(spec->nodes)), or_one(spec->slots), plural(or_one(spec->slots))) ||
        write_rounds(out, plan, costs, err) || write_loop(out, spec, plan, err)) {
        return err->code;
    }
    if (spec->from) {
        return mr_buffer_printf(out, err,
                                "assumed    tasks take what they took in \"%s\", by their share of "
                                "the bytes;\n"
                                "           what is shuffled is as much as is written;\n",
                                spec->from);
    }
    return mr_buffer_printf(out, err,
                            "assumed    a slot maps %u MB/s and reduces %u MB/s; each round "
                            "shuffles and writes\n"
                            "           as much as it reads (--from a run of the job measures "
                            "that);\n",
                            spec->map_mbps ? spec->map_mbps : 100,
                            spec->reduce_mbps ? spec->reduce_mbps : 100);
}

static int write_faults(struct mr_buffer *out, const struct mr_simulate_spec *spec,
                        struct mr_error *err) {
    if (mr_buffer_printf(out, err,
                         "           a node receives %u MB/s; input is read as fast on every "
                         "node\n",
                         spec->net_mbps ? spec->net_mbps : 125)) {
        return err->code;
    }
    if (spec->mtbf_seconds > 0 &&
        mr_buffer_printf(out, err,
                         "           a node fails every %s on average, with all it held, is "
                         "missed after 10 s,\n"
                         "           and is back, empty, after a minute\n",
                         time_of((uint64_t)(spec->mtbf_seconds * 1000)).text)) {
        return err->code;
    }
    return spec->slow > 0 ? mr_buffer_printf(out, err,
                                             "           %.3g %% of the nodes take ten times as "
                                             "long\n",
                                             spec->slow * 100)
                          : MR_OK;
}

/* ---- how it went ------------------------------------------------------------------------------
 */

static double percent(uint64_t part, double whole) {
    return whole > 0 ? 100 * (double)part / whole : 0;
}

static int write_outcome(struct mr_buffer *out, const struct mr_simulate_spec *spec,
                         const struct mr_cluster_outcome *outcome, const char *title,
                         struct mr_error *err) {
    double all = (double)outcome->lasted_ms * or_one(spec->nodes) * or_one(spec->slots);
    uint64_t used = outcome->map_ms + outcome->fetch_ms + outcome->reduce_ms + outcome->redone_ms;
    double idle = all > (double)used ? 100 - percent(used, all) : 0;
    return mr_buffer_printf(out, err,
                            "\n%s: %s\n"
                            "           map %.1f %%, shuffle %.1f %%, reduce %.1f %%, redone "
                            "%.1f %%, waiting %.1f %% of all slots' time\n",
                            title, time_of(outcome->lasted_ms).text, percent(outcome->map_ms, all),
                            percent(outcome->fetch_ms, all), percent(outcome->reduce_ms, all),
                            percent(outcome->redone_ms, all), idle);
}

static int write_cost(struct mr_buffer *out, const struct mr_cluster_outcome *whole,
                      const struct mr_cluster_outcome *faulty, struct mr_error *err) {
    if (faulty->is_endless) {
        return mr_buffer_printf(
            out, err,
            "           and still not done: nodes fail faster than the job gets "
            "on\n");
    }
    if (faulty->status) {
        return mr_buffer_printf(out, err, "           the job would fail: %s\n",
                                mr_error_name(faulty->status));
    }
    bool is_longer = faulty->lasted_ms > whole->lasted_ms;
    uint64_t more = is_longer ? faulty->lasted_ms - whole->lasted_ms : 0;
    return mr_buffer_printf(
        out, err,
        "           they cost %s: %u failure%s of nodes, %u slow node%s, %u map "
        "output%s made again,\n"
        "           %u backup attempt%s\n",
        time_of(more).text, faulty->failures, plural(faulty->failures), faulty->slow,
        plural(faulty->slow), faulty->again, plural(faulty->again), faulty->backups,
        plural(faulty->backups));
}

static int tell(const struct mr_simulate_spec *spec, const struct mr_plan *plan,
                const struct mr_costs *costs, int out_fd, struct mr_error *err) {
    struct mr_buffer out = {0};
    struct mr_cluster_outcome whole;
    struct mr_cluster_outcome faulty;
    bool has_faults = spec->mtbf_seconds > 0 || spec->slow > 0;
    if (!mr_cluster_run(spec, costs, 0, &whole, err) &&
        (!has_faults ||
         !mr_cluster_run(spec, costs, PATIENCE * whole.lasted_ms + HOUR_MS, &faulty, err)) &&
        !write_assumptions(&out, spec, plan, costs, err) && !write_faults(&out, spec, err) &&
        !write_outcome(&out, spec, &whole, has_faults ? "without failures" : "it would take",
                       err) &&
        (!has_faults || (!write_outcome(&out, spec, &faulty, "with failures", err) &&
                         !write_cost(&out, &whole, &faulty, err)))) {
        (void)!mr_file_write(out_fd, out.data, out.len, "standard output", err);
    }
    mr_buffer_fini(&out);
    return err->code;
}

int mr_simulate(const struct mr_simulate_spec *spec, int out_fd, struct mr_error *err) {
    struct mr_plan plan = {0};
    struct mr_costs costs = {0};
    if (check(spec, err)) {
        return err->code;
    }
    struct mr_run_spec run = *spec->run;
    run.output = run.output ? run.output : "."; /* a cluster makes a directory; here nothing does */
    if (!mr_plan_make(&run, &plan, err) && plan.inputs.has_stream) {
        mr_error_set(err, MR_ERR_USAGE, "how much a stream holds is not known: name files");
    } else if (!err->code && !mr_costs_make(spec, &plan, &costs, err)) {
        (void)!tell(spec, &plan, &costs, out_fd, err);
    }
    mr_costs_fini(&costs);
    mr_plan_fini(&plan);
    return err->code;
}
