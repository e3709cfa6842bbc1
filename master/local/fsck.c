/* fsck: replays a journal and checks all that can be checked of what it holds.
 *
 * Opening it checks pages, chain and hashes (master/journal). Here: the state breaks no invariant
 * of the scheduler (a saved and loaded one is the same); every task that is done has the account of
 * its winner; the books of every closed round balance; the map outputs that will be read are there.
 * A file that is missing is no damage: it is made again. */
#include "master/local/fsck.h"

#include "lib/base/error.h"
#include "master/local/common/books.h"
#include "master/local/files/turns.h"
#include "master/local/plan/identity.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Facts of a master's (master/shell/notes.h). */
enum { CLUSTER_ID = 16, CLUSTER_PASS = 21 };

/* The journal is a master's: the files are with its workers, and the core's rounds are not those of
 * the job's list. */
static bool facts_of_cluster(const struct mr_ledger *ledger) {
    return mr_journal_find(ledger->journal, 0, CLUSTER_ID, 0) != NULL;
}

static int damaged(struct mr_error *err, const char *why, uint32_t task) {
    return mr_error_set(err, MR_ERR_INPUT, "the journal contradicts itself: %s (task %u)", why,
                        task);
}

static int check_state(struct mr_core *core, struct mr_error *err) {
    struct mr_core *again = NULL;
    char *bytes = NULL;
    size_t len = 0;
    uint64_t hashes[2] = {0, 0};
    if (!mr_core_save(core, &bytes, &len, err) && !mr_core_load(NULL, bytes, len, &again, err) &&
        !mr_core_hash(core, &hashes[0], err) && !mr_core_hash(again, &hashes[1], err) &&
        hashes[0] != hashes[1]) {
        mr_error_set(err, MR_ERR_INPUT, "the journal leads to a state that can't be saved");
    }
    mr_core_destroy(again);
    free(bytes);
    return err->code;
}

static void count_file(const struct mr_ledger *ledger, const struct mr_core_attempt *id,
                       uint64_t wanted, struct mr_run_journal_job *about, struct mr_error *err) {
    struct mr_turns_place place = mr_turns_find(ledger);
    struct mr_orders_task name = {.phase = id->phase, .task = id->task, .attempt = id->attempt};
    struct stat found;
    char path[MR_ORDERS_PATH_MAX];
    if (!ledger->dir) {
        return; /* a cluster's: the files are with its workers */
    }
    name.pass = place.pass;
    name.round = place.rounds ? id->round % (uint32_t)place.rounds : id->round;
    if (!mr_orders_path(ledger->dir, &name, path, err)) {
        bool is_there = stat(path, &found) == 0 && (uint64_t)found.st_size == wanted;
        about->files += is_there;
        about->files_bytes += is_there ? wanted : 0;
        about->files_missing += !is_there;
    }
}

/* The last of the job's rounds, or a loop's last turn, is closed. A cluster's job may be cancelled
 * after that, and stops. */
static bool is_closed_for_good(const struct mr_ledger *ledger,
                               const struct mr_run_journal_job *about) {
    return strcmp(about->state, "publishing") == 0 ||
           (facts_of_cluster(ledger) && strcmp(about->state, "stopping") == 0);
}

static bool loops(const struct mr_ledger *ledger) {
    return facts_of_cluster(ledger)
               ? mr_journal_find(ledger->journal, ledger->job, CLUSTER_PASS, 0) != NULL
               : mr_turns_find(ledger).pass != 0;
}

/* The winners of a phase have their accounts. */
static int check_phase(const struct mr_ledger *ledger, enum mr_phase phase,
                       struct mr_run_journal_job *about, struct mr_error *err) {
    bool is_map = phase == MR_PHASE_MAP;
    uint32_t count = is_map ? about->map_tasks : about->reduce_tasks;
    bool is_running = strcmp(about->state, "running") == 0;
    /* Closed for good, a round's map tasks are not told of any more; a loop's tasks neither. */
    bool is_told = is_map ? is_running : !(is_closed_for_good(ledger, about) && loops(ledger));
    for (uint32_t task = 0; task < count && !err->code; task++) {
        struct mr_account account = {0};
        bool is_there = false;
        uint32_t winner =
            mr_core_winner(mr_journal_core(ledger->journal), ledger->job, phase, task).attempt;
        if (!winner || !is_told) {
            continue;
        }
        if (!mr_ledger_get(ledger, is_map ? MR_LEDGER_MAP : MR_LEDGER_REDUCE, about->round, task,
                           &account, &is_there, err) &&
            (!is_there || account.attempt != winner)) {
            (void)!damaged(err, "a task that is done has no account of its winner", task);
        } else if (!err->code && is_map) {
            struct mr_core_attempt id = {ledger->job, about->round, phase, task, winner};
            count_file(ledger, &id, account.output_bytes, about, err);
        }
        mr_account_fini(&account);
    }
    return err->code;
}

static int check_rounds(const struct mr_ledger *ledger, const struct mr_run_journal_job *about,
                        struct mr_error *err) {
    bool is_closed = strcmp(about->state, "publishing") == 0;
    uint32_t closed = about->round + is_closed;
    uint64_t rounds = mr_turns_find(ledger).rounds; /* of a loop's pass */
    closed = rounds && rounds < closed ? (uint32_t)rounds : closed;
    for (uint32_t round = 0; round < closed && !err->code; round++) {
        struct mr_account sum;
        struct mr_books books;
        bool is_there;
        if (mr_ledger_get(ledger, MR_LEDGER_ROUND, round, 0, &sum, &is_there, err)) {
            break;
        }
        if (!is_there && ledger->dir) { /* a cluster may begin again, or loop */
            mr_error_set(err, MR_ERR_INPUT, "the journal lacks the books of round %u", round);
        } else if (is_there) {
            mr_books_of_account(&sum, &books);
            (void)!mr_books_check(&books, "the journal", err);
        }
        mr_account_fini(&sum);
    }
    return err->code;
}

static const char *name_end(const char *end) {
    size_t len = strcspn(end, "\n");
    const char *cancelled = mr_error_name(MR_ERR_INTERRUPTED);
    if (len == 2 && memcmp(end, "OK", 2) == 0) {
        return "done";
    }
    return len == strlen(cancelled) && memcmp(end, cancelled, len) == 0 ? "cancelled" : "failed";
}

static const char *name_state(enum mr_core_job_state state, const char *end) {
    static const char *const names[MR_CORE_JOB_STATES] = {
        [MR_CORE_JOB_RUNNING] = "running",
        [MR_CORE_JOB_CLOSING] = "closing",
        [MR_CORE_JOB_PUBLISHING] = "publishing",
        [MR_CORE_JOB_STOPPING] = "stopping",
    };
    bool has_ended = state == MR_CORE_JOB_FINISHED || state == MR_CORE_JOB_UNKNOWN;
    return has_ended ? name_end(end) : names[state];
}

static const char *text_of(const struct mr_ledger *ledger, enum mr_ledger_fact kind) {
    const struct mr_fact *fact = mr_journal_find(ledger->journal, ledger->job, (uint32_t)kind, 0);
    return fact ? fact->bytes : "";
}

static int describe_job(struct mr_ledger *ledger, struct mr_run_journal_job *about,
                        struct mr_error *err) {
    struct mr_core_job_view view = mr_core_job(mr_journal_core(ledger->journal), ledger->job);
    const char *end = text_of(ledger, MR_LEDGER_END);
    const char *why = strchr(end, '\n');
    about->number = ledger->job;
    about->state = name_state(view.state, end);
    about->round = view.round;
    about->map_tasks = view.map_tasks;
    about->maps_done = view.map_tasks - view.maps_open;
    about->reduce_tasks = view.reduce_tasks;
    about->reduces_done = view.reduce_tasks - view.reduces_open;
    snprintf(about->id, sizeof about->id, "%s", text_of(ledger, MR_LEDGER_ID));
    snprintf(ledger->id, sizeof ledger->id, "%s", about->id);
    about->command = strdup(text_of(ledger, MR_LEDGER_LABEL));
    if (strcmp(about->state, "failed") == 0) {
        about->why = strdup(why ? why + 1 : "");
    }
    about->has_files = !facts_of_cluster(ledger);
    if (facts_of_cluster(ledger)) {
        return about->command ? MR_OK : mr_error_nomem(err, "looking at a journal");
    }
    if (!about->command || asprintf(&ledger->dir, "%s/outputs-%s", ledger->owner, about->id) < 0) {
        ledger->dir = NULL;
        return mr_error_nomem(err, "looking at a journal");
    }
    return MR_OK;
}

/* Adds a job to those that the journal holds. */
static int add_job(struct mr_ledger *ledger, uint32_t number, struct mr_run_journal *journal,
                   struct mr_error *err) {
    size_t count = journal->job_count;
    if ((count & (count + 1)) == 0) { /* it is full: capacities are 1, 3, 7 ... */
        struct mr_run_journal_job *jobs =
            realloc(journal->jobs, (2 * count + 1) * sizeof *journal->jobs);
        if (!jobs) {
            return mr_error_nomem(err, "looking at a journal");
        }
        journal->jobs = jobs;
    }
    struct mr_run_journal_job *about = &journal->jobs[journal->job_count++];
    *about = (struct mr_run_journal_job){0};
    ledger->job = number;
    if (describe_job(ledger, about, err) || check_phase(ledger, MR_PHASE_MAP, about, err) ||
        check_phase(ledger, MR_PHASE_REDUCE, about, err) || check_rounds(ledger, about, err)) {
        return err->code;
    }
    return MR_OK;
}

static int look(struct mr_ledger *ledger, struct mr_run_journal *about, struct mr_error *err) {
    struct mr_journal_stats stats = mr_journal_stats(ledger->journal);
    size_t count;
    const struct mr_fact *facts = mr_journal_facts(ledger->journal, &count);
    bool is_cluster = facts_of_cluster(ledger);
    about->starts = stats.epoch;
    about->entries = stats.entries;
    about->events = stats.events;
    about->comparisons = stats.comparisons;
    about->bytes = stats.bytes;
    if (check_state(mr_journal_core(ledger->journal), err)) {
        return err->code;
    }
    for (size_t i = 0; i < count && !err->code; i++) { /* of a run's, the last alone */
        bool is_last_of_job = i + 1 == count || facts[i + 1].job != facts[i].job;
        if (facts[i].job && is_last_of_job && (is_cluster || i + 1 == count)) {
            (void)!add_job(ledger, facts[i].job, about, err);
        }
    }
    return err->code;
}

int mr_fsck_look(const char *state, struct mr_run_journal *about, struct mr_error *err) {
    struct mr_ledger ledger = {0};
    *about = (struct mr_run_journal){0};
    if (!mr_identity_path(state, &ledger.owner, err) &&
        !mr_journal_open(ledger.owner, MR_JOURNAL_LOOK, &ledger.journal, err)) {
        (void)!look(&ledger, about, err);
    }
    mr_ledger_close(&ledger);
    return err->code;
}
