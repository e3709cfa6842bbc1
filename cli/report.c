/* report: what is said about a run that is over.
 *
 * The bottleneck is judged on the phase that took the longest. Its threads had `threads * wall`
 * seconds to spend; they were busy for some, waiting (for input, output, one another) for others,
 * and had no task for the rest. What took the largest share is the bottleneck: the CPU, the
 * waiting, or too little work to hand out. */
#include "cli/report.h"

#include "lib/base/machine.h"
#include "lib/base/number.h"
#include "lib/term/units.h"

#include <inttypes.h>
#include <stdio.h>

/* Of a shorter run most is starting and ending: nothing would make it faster. */
#define SECONDS_TO_JUDGE 1

void mr_report_closing(const struct mr_run_spec *spec, const struct mr_run_result *result,
                       char *out, size_t size) {
    char records[MR_UNITS_TEXT_MAX];
    char bytes[MR_UNITS_TEXT_MAX];
    char seconds[MR_UNITS_TEXT_MAX];
    char rate[MR_UNITS_TEXT_MAX];
    uint64_t read = result->round_count ? result->rounds[0].books.records_read : 0;
    snprintf(out, size, "%s: %s record%s, %s in %s (%s)%s%.256s\n", spec->job->name,
             mr_units_count(records, sizeof records, read), read == 1 ? "" : "s",
             mr_units_bytes(bytes, sizeof bytes, result->input_bytes),
             mr_units_seconds(seconds, sizeof seconds, result->seconds),
             mr_units_rate(rate, sizeof rate, result->input_bytes, result->seconds),
             spec->output ? " -> " : "", spec->output ? spec->output : "");
}

/* A phase with its place. */
struct stage {
    const char *round;
    bool is_map;
    const struct mr_run_phase *phase;
};

static double share(double part, double whole) {
    return whole > 1e-9 ? 100 * part / whole : 0;
}

static void add_stage(struct mr_page *page, const struct stage *stage,
                      const struct mr_run_result *result) {
    const struct mr_run_phase *phase = stage->phase;
    char name[64];
    char seconds[MR_UNITS_TEXT_MAX];
    snprintf(name, sizeof name, "%.40s %s", stage->round, stage->is_map ? "map" : "reduce");
    double spent = phase->seconds * result->threads;
    double megabytes = (double)phase->bytes / 1e6;
    mr_page_printf(page, "  %-20s %9s %6.0f %% %9.0f %9.0f %6.0f %% %6.0f %%\n", name,
                   mr_units_seconds(seconds, sizeof seconds, phase->seconds),
                   share(phase->seconds, result->seconds),
                   phase->seconds > 1e-6 ? megabytes / phase->seconds : 0,
                   phase->thread_seconds > 1e-6 ? megabytes / phase->thread_seconds : 0,
                   share(phase->thread_seconds, spent), share(phase->wait_seconds, spent));
}

static void add_memory(struct mr_page *page, const struct mr_run_result *result) {
    char peak[MR_UNITS_TEXT_MAX];
    char cap[MR_NUMBER_TEXT_MAX];
    mr_number_put_size(cap, sizeof cap, result->memory_bytes); /* as --memory was written */
    mr_page_printf(page, "Memory: at most %s of %s (%.0f %%)",
                   mr_units_bytes(peak, sizeof peak, result->peak_rss_bytes), cap,
                   share((double)result->peak_rss_bytes, (double)result->memory_bytes));
    uint64_t spilled = 0;
    for (size_t i = 0; i < result->round_count; i++) {
        spilled += result->rounds[i].books.bytes_spilled;
    }
    char bytes[MR_UNITS_TEXT_MAX];
    if (spilled) {
        mr_page_printf(page, "; %s spilled to disk: more --memory would save that",
                       mr_units_bytes(bytes, sizeof bytes, spilled));
    }
    mr_page_put(page, "\n");
}

static void add_verdict(struct mr_page *page, const struct stage *stage,
                        const struct mr_run_result *result) {
    const struct mr_run_phase *phase = stage->phase;
    double spent = phase->seconds * result->threads;
    double busy = phase->thread_seconds;
    double waiting = phase->wait_seconds;
    double idle = spent > busy + waiting ? spent - busy - waiting : 0;
    unsigned cpus = mr_machine_cpus();
    if (busy >= waiting && busy >= idle) {
        mr_page_put(page, "Bottleneck: the CPU\n");
        if (cpus > result->threads) {
            mr_page_printf(page, "More threads: would help, up to %u (there are that many CPUs)\n",
                           cpus);
        } else {
            mr_page_printf(page, "More threads: would not help, all %u CPUs are in use\n", cpus);
        }
    } else if (waiting >= idle) {
        mr_page_printf(page, "Bottleneck: waiting for %s\n", stage->is_map ? "input" : "output");
        mr_page_put(page, "More threads: would not help\n");
    } else {
        mr_page_printf(page, "Bottleneck: too little work at once for %u threads\n",
                       result->threads);
        mr_page_put(page, "More threads: would not help\n");
    }
}

static void add_loop(struct mr_page *page, const struct mr_run_result *result) {
    const struct mr_run_loop *loop = &result->loop;
    char seconds[MR_UNITS_TEXT_MAX];
    if (loop->passes) {
        mr_page_printf(page, "Loop: %" PRIu64 " pass%s, %.0f a second; between them %s (%.0f %%)\n",
                       loop->passes, loop->passes == 1 ? "" : "es",
                       result->seconds > 1e-9 ? (double)loop->passes / result->seconds : 0,
                       mr_units_seconds(seconds, sizeof seconds, loop->seconds),
                       share(loop->seconds, result->seconds));
    }
}

void mr_report_add(struct mr_page *page, const struct mr_run_result *result) {
    char seconds[MR_UNITS_TEXT_MAX];
    mr_page_printf(page, "Time: %s on %u thread%s\n",
                   mr_units_seconds(seconds, sizeof seconds, result->seconds), result->threads,
                   result->threads == 1 ? "" : "s");
    mr_page_printf(page, "  %-20s %9s %8s %9s %9s %8s %8s\n", "phase", "time", "share", "MB/s",
                   "per core", "busy", "waiting");
    struct stage longest = {0};
    for (size_t i = 0; i < result->round_count; i++) {
        const struct mr_run_round *round = &result->rounds[i];
        const struct stage stages[] = {{round->name, true, &round->map},
                                       {round->name, false, &round->reduce}};
        for (size_t j = 0; j < 2; j++) {
            add_stage(page, &stages[j], result);
            if (!longest.phase || stages[j].phase->seconds > longest.phase->seconds) {
                longest = stages[j];
            }
        }
    }
    add_loop(page, result);
    add_memory(page, result);
    if (result->seconds < SECONDS_TO_JUDGE) {
        mr_page_put(page, "Bottleneck: none to speak of in less than a second\n");
    } else if (longest.phase) {
        add_verdict(page, &longest, result);
    }
}
