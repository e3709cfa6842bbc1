/* main: sim: runs seeded schedules of faults against the scheduler's core. */
#include "tests/sim/minimise.h"
#include "tests/sim/schedule.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FAILURES_SHOWN 5

static const char *const usage =
    "usage: sim [OPTION...]\n"
    "  --seeds A..B       run these schedules (1..1000)\n"
    "  --mode MODE        safety: anything goes wrong; liveness: faults stop, all jobs end; both\n"
    "  --trace SEED       say all that happens in one schedule\n"
    "  --minimise SEED    make a failing schedule smaller; prints a line for regressions/\n"
    "  --replay FILE      run the schedules of a file, one line of options each\n"
    "  --twice            run each schedule twice and compare\n"
    "  --met              say what the schedules met; fail where something was never met\n"
    "  --stop             stop at the first failure\n"
    "bounds: --workers N --jobs N --maps N --reduces N --rounds N --crashes N --restarts N\n"
    "  --without A,B,...  leave these faults out; --whole: the network loses nothing\n";

struct options {
    struct plan_limits limits;
    uint64_t first, last;
    bool has_safety, has_liveness;
    bool is_trace, is_minimise, is_twice, is_met, stops;
    const char *replay;
};

static void fail_usage(const char *what) {
    fprintf(stderr, "sim: %s\n%s", what, usage);
    exit(2);
}

/* ---- options ----------------------------------------------------------------------------------
 */

static uint64_t parse_number(const char *text, const char **end) {
    char *after;
    uint64_t number = strtoull(text, &after, 10);
    if (after == text) {
        fail_usage("a number is missing");
    }
    *end = after;
    return number;
}

static uint64_t parse_without(const char *text) {
    uint64_t without = 0;
    do {
        uint64_t fault = parse_number(text, &text);
        without |= fault < 64 ? (uint64_t)1 << fault : 0;
    } while (*text++ == ',');
    return without;
}

static void parse_seeds(struct options *options, const char *text) {
    options->first = options->last = parse_number(text, &text);
    if (strncmp(text, "..", 2) == 0) {
        options->last = parse_number(text + 2, &text);
    }
}

static void parse_mode(struct options *options, const char *mode) {
    options->has_safety = strcmp(mode, "liveness") != 0;
    options->has_liveness = strcmp(mode, "safety") != 0;
    if (strcmp(mode, "both") != 0 && options->has_safety && options->has_liveness) {
        fail_usage("the modes are safety, liveness and both");
    }
}

static bool parse_flag(struct options *options, const char *name) {
    const struct {
        const char *name;
        bool *flag;
    } flags[] = {{"--twice", &options->is_twice},
                 {"--met", &options->is_met},
                 {"--stop", &options->stops},
                 {"--whole", &options->limits.is_network_whole}};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        if (strcmp(name, flags[i].name) == 0) {
            *flags[i].flag = true;
            return true;
        }
    }
    return false;
}

static bool parse_bound(struct options *options, const char *name, const char *value) {
    struct plan_limits *limits = &options->limits;
    const struct {
        const char *name;
        uint32_t *bound;
        uint32_t most;
    } bounds[] = {{"--workers", &limits->workers, PLAN_WORKERS_MAX},
                  {"--jobs", &limits->jobs, PLAN_JOBS_MAX},
                  {"--maps", &limits->maps, PLAN_TASKS_MAX},
                  {"--reduces", &limits->reduces, PLAN_TASKS_MAX},
                  {"--rounds", &limits->rounds, PLAN_ROUNDS_MAX},
                  {"--crashes", &limits->crashes, PLAN_FAULTS_MAX},
                  {"--restarts", &limits->restarts, PLAN_FAULTS_MAX}};
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
        if (strcmp(name, bounds[i].name) == 0) {
            uint64_t number = parse_number(value, &value);
            *bounds[i].bound = number > bounds[i].most ? bounds[i].most : (uint32_t)number;
            return true;
        }
    }
    return false;
}

static void parse_value(struct options *options, const char *name, const char *value) {
    if (parse_bound(options, name, value)) {
        return;
    }
    if (strcmp(name, "--seeds") == 0) {
        parse_seeds(options, value);
    } else if (strcmp(name, "--mode") == 0) {
        parse_mode(options, value);
    } else if (strcmp(name, "--without") == 0) {
        options->limits.without = parse_without(value);
    } else if (strcmp(name, "--replay") == 0) {
        options->replay = value;
    } else if (strcmp(name, "--trace") == 0 || strcmp(name, "--minimise") == 0) {
        parse_seeds(options, value);
        options->is_trace = name[2] == 't';
        options->is_minimise = name[2] == 'm';
    } else {
        fail_usage(name);
    }
}

static struct options parse(int count, char **words) {
    struct options options = {
        .limits = plan_default, .first = 1, .last = 1000, .has_safety = true, .has_liveness = true};
    for (int i = 0; i < count; i++) {
        if (parse_flag(&options, words[i])) {
            continue;
        }
        if (i + 1 == count) {
            fail_usage(words[i]);
        }
        parse_value(&options, words[i], words[i + 1]);
        i++;
    }
    return options;
}

/* ---- running ----------------------------------------------------------------------------------
 */

static const char *mode_name(const struct plan *plan) {
    return plan->limits.is_liveness ? "liveness" : "safety";
}

static uint64_t running; /* seed, and a bit for the mode */

/* A check room's abort, or a crash: says which schedule did it. */
static void say_crash(int signal_number) {
    char line[80];
    int length = snprintf(line, sizeof line, "seed %" PRIu64 " --mode %s: crashed, signal %d\n",
                          running >> 1, running & 1 ? "liveness" : "safety", signal_number);
    if (write(STDOUT_FILENO, line, (size_t)length) < 0) {
        _exit(3);
    }
    _exit(1);
}

/* Runs one seed; false: it failed, and was said so. */
static bool run_seed(struct sim *sim, const struct options *options, uint64_t seed,
                     bool is_liveness) {
    struct plan plan;
    struct plan_limits limits = options->limits;
    limits.is_liveness = is_liveness;
    running = seed << 1 | is_liveness;
    plan_make(&plan, seed, &limits);
    bool is_good = schedule_run(sim, &plan, options->is_trace);
    uint64_t trace = sim->trace;
    if (is_good && options->is_twice) {
        is_good = schedule_run(sim, &plan, false);
        if (trace != sim->trace) {
            sim_fail(sim, "determinism", "the second run differs");
            is_good = false;
        }
    }
    if (!is_good) {
        printf("seed %" PRIu64 " --mode %s: %s\n", seed, mode_name(&plan), sim->failure);
    } else if (options->is_trace) {
        printf("seed %" PRIu64 " --mode %s: trace %016" PRIx64 ", good\n", seed, mode_name(&plan),
               trace);
    }
    return is_good;
}

static uint64_t run_seeds(struct sim *sim, const struct options *options, uint64_t *failed) {
    uint64_t count = 0;
    for (uint64_t seed = options->first; seed <= options->last; seed++) {
        for (int liveness = 0; liveness <= 1; liveness++) {
            if (!(liveness ? options->has_liveness : options->has_safety)) {
                continue;
            }
            count++;
            *failed += !run_seed(sim, options, seed, liveness);
            if (*failed == FAILURES_SHOWN || (*failed > 0 && options->stops)) {
                return count;
            }
        }
    }
    return count;
}

/* A line of a file: the options that --minimise printed. */
static uint64_t run_lines(struct sim *sim, const char *path, uint64_t *failed) {
    char line[512];
    uint64_t count = 0;
    FILE *file = fopen(path, "r");
    if (!file) {
        fail_usage("the file of --replay can't be read");
    }
    while (fgets(line, sizeof line, file)) {
        char *words[32];
        int number = 0;
        char *rest = NULL;
        line[strcspn(line, "#\n")] = '\0';
        for (char *word = strtok_r(line, " ", &rest); word && number < 32;
             word = strtok_r(NULL, " ", &rest)) {
            words[number++] = word;
        }
        if (number > 0) {
            struct options options = parse(number, words);
            count += run_seeds(sim, &options, failed);
        }
    }
    (void)fclose(file);
    return count;
}

static uint64_t say_met(const struct sim *sim) {
    static const char *const words[] = {
#define SIM_MET_ROW(name, words) words,
        SIM_MET_TABLE(SIM_MET_ROW)
#undef SIM_MET_ROW
    };
    uint64_t never = 0;
    for (int i = 0; i < SIM_MET_KINDS; i++) {
        printf("%12" PRIu64 "  %s\n", sim->met[i], words[i]);
        never += sim->met[i] == 0;
    }
    return never;
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
    struct options options = parse(argc - 1, argv + 1);
    struct sim sim;
    uint64_t failed = 0;
    double began = seconds();
    signal(SIGABRT, say_crash);
    signal(SIGSEGV, say_crash);
    setvbuf(stdout, NULL, _IOLBF, 0);
    sim_init(&sim);
    if (options.is_minimise) {
        options.limits.is_liveness = !options.has_safety;
        failed += !minimise(&sim, options.first, &options.limits);
    } else {
        uint64_t count = options.replay ? run_lines(&sim, options.replay, &failed)
                                        : run_seeds(&sim, &options, &failed);
        double lasted = seconds() - began;
        printf("%" PRIu64 " schedules, %" PRIu64 " failed, %.0f a second\n", count, failed,
               (double)count / (lasted > 0 ? lasted : 1));
        failed += options.is_met ? say_met(&sim) : 0;
    }
    sim_fini(&sim);
    return failed > 0;
}
