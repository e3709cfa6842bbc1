/* ledger: what a run keeps besides the core's state: facts, which --state has journaled. */
#include "master/local/files/ledger.h"

#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/output/commit.h"
#include "lib/output/tree.h"
#include "master/local/plan/identity.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define OUTPUTS "outputs-"
#define SHOWN "%.200s"

/* ---- facts ----------------------------------------------------------------------------------- */

uint64_t mr_ledger_key(uint32_t high, uint32_t low) {
    return (uint64_t)high << 32 | low;
}

int mr_ledger_note(struct mr_ledger *ledger, enum mr_ledger_fact kind, uint64_t key,
                   const void *bytes, size_t len, struct mr_error *err) {
    if (ledger->journal) {
        return mr_journal_put(ledger->journal, ledger->job, (uint32_t)kind, key, bytes, len, err);
    }
    struct mr_fact fact = {ledger->job, (uint32_t)kind, key, (char *)(uintptr_t)bytes, len};
    return mr_facts_put(&ledger->facts, &fact, err); /* it only reads them */
}

const struct mr_fact *mr_ledger_find(const struct mr_ledger *ledger, enum mr_ledger_fact kind,
                                     uint64_t key) {
    return ledger->journal ? mr_journal_find(ledger->journal, ledger->job, (uint32_t)kind, key)
                           : mr_facts_find(&ledger->facts, ledger->job, (uint32_t)kind, key);
}

int mr_ledger_drop(struct mr_ledger *ledger, enum mr_ledger_fact kind, uint64_t key,
                   struct mr_error *err) {
    if (!mr_ledger_find(ledger, kind, key)) {
        return MR_OK;
    }
    if (ledger->journal) {
        return mr_journal_put(ledger->journal, ledger->job, (uint32_t)kind, key, NULL, 0, err);
    }
    mr_facts_remove(&ledger->facts, ledger->job, (uint32_t)kind, key);
    return MR_OK;
}

static bool is_before(const struct mr_fact *fact, uint32_t job, uint32_t kind) {
    return fact->job < job || (fact->job == job && fact->kind < kind);
}

/* The first of a sorted list that isn't before those of a kind. */
static size_t find_first(const struct mr_fact *facts, size_t count, uint32_t job, uint32_t kind) {
    size_t begin = 0;
    size_t end = count;
    while (begin < end) {
        size_t middle = begin + (end - begin) / 2;
        if (is_before(&facts[middle], job, kind)) {
            begin = middle + 1;
        } else {
            end = middle;
        }
    }
    return begin;
}

const struct mr_fact *mr_ledger_all(const struct mr_ledger *ledger, enum mr_ledger_fact kind,
                                    size_t *count) {
    size_t all;
    const struct mr_fact *facts =
        ledger->journal ? mr_journal_facts(ledger->journal, &all)
                        : mr_facts_all((struct mr_facts *)(uintptr_t)&ledger->facts, &all);
    size_t begin = find_first(facts, all, ledger->job, (uint32_t)kind);
    *count = find_first(facts, all, ledger->job, (uint32_t)kind + 1) - begin;
    return *count ? &facts[begin] : NULL;
}

int mr_ledger_forget(struct mr_ledger *ledger, enum mr_ledger_fact kind, struct mr_error *err) {
    size_t count;
    (void)mr_ledger_all(ledger, kind, &count);
    if (count == 0) {
        return MR_OK;
    }
    if (ledger->journal) {
        return mr_journal_forget(ledger->journal, ledger->job, (uint32_t)kind, err);
    }
    mr_facts_forget(&ledger->facts, ledger->job, (uint32_t)kind);
    return MR_OK;
}

int mr_ledger_put(struct mr_ledger *ledger, enum mr_ledger_fact kind, uint32_t round, uint32_t task,
                  const struct mr_account *account, struct mr_error *err) {
    struct mr_buffer bytes = {0};
    if (!mr_account_put(account, &bytes, err)) {
        (void)!mr_ledger_note(ledger, kind, mr_ledger_key(round, task), bytes.data, bytes.len, err);
    }
    mr_buffer_fini(&bytes);
    return err->code;
}

int mr_ledger_get(const struct mr_ledger *ledger, enum mr_ledger_fact kind, uint32_t round,
                  uint32_t task, struct mr_account *account, bool *is_there, struct mr_error *err) {
    const struct mr_fact *fact = mr_ledger_find(ledger, kind, mr_ledger_key(round, task));
    *account = (struct mr_account){0};
    *is_there = fact != NULL;
    return fact ? mr_account_get(account, fact->bytes, fact->len, err) : MR_OK;
}

int mr_ledger_end(struct mr_ledger *ledger, const struct mr_error *how, struct mr_error *err) {
    static const enum mr_ledger_fact kept[] = {MR_LEDGER_WHAT, MR_LEDGER_INPUTS, MR_LEDGER_LABEL,
                                               MR_LEDGER_ID, MR_LEDGER_END};
    struct mr_buffer text = {0};
    if (!mr_ledger_find(ledger, MR_LEDGER_END, 0) &&
        !mr_buffer_printf(&text, err, "%s\n%s", mr_error_name(how->code), how->text)) {
        (void)!mr_ledger_note(ledger, MR_LEDGER_END, 0, text.data, text.len, err);
    }
    mr_buffer_fini(&text);
    for (uint32_t kind = 0; kind <= MR_LEDGER_KIND_MAX && !err->code; kind++) {
        bool is_kept = false;
        for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
            is_kept |= kind == (uint32_t)kept[i];
        }
        (void)!(is_kept ? MR_OK : mr_ledger_forget(ledger, (enum mr_ledger_fact)kind, err));
    }
    return err->code;
}

/* ---- who it is ------------------------------------------------------------------------------- */

/* What a run is, as texts. */
struct texts {
    struct mr_buffer what;
    struct mr_identity_shape shape;
    struct mr_buffer inputs;
    struct mr_buffer label;
};

static void texts_fini(struct texts *texts) {
    mr_buffer_fini(&texts->what);
    mr_buffer_fini(&texts->inputs);
    mr_buffer_fini(&texts->label);
}

static int write_texts(struct texts *texts, const struct mr_run_spec *spec,
                       const struct mr_plan *plan, struct mr_error *err) {
    return mr_identity_job(spec, plan, &texts->what, &texts->shape, err) ||
                   mr_identity_inputs(plan, &texts->inputs, err) ||
                   mr_identity_label(spec, &texts->label, err)
               ? err->code
               : MR_OK;
}

int mr_ledger_describe(struct mr_ledger *ledger, const struct mr_run_spec *spec,
                       const struct mr_plan *plan, struct mr_error *err) {
    struct texts texts = {0};
    size_t count;
    const struct mr_fact *facts = mr_journal_facts(ledger->journal, &count);
    while (count > 0 && facts[0].job < ledger->job && !err->code) { /* those of jobs that ended */
        (void)!mr_journal_forget(ledger->journal, facts[0].job, UINT32_MAX, err);
        facts = mr_journal_facts(ledger->journal, &count);
    }
    if (!err->code && !write_texts(&texts, spec, plan, err)) {
        const struct {
            enum mr_ledger_fact kind;
            const char *data;
            size_t len;
        } rows[] = {{MR_LEDGER_WHAT, texts.what.data, texts.what.len},
                    {MR_LEDGER_INPUTS, texts.inputs.data, texts.inputs.len},
                    {MR_LEDGER_LABEL, texts.label.data, texts.label.len},
                    {MR_LEDGER_ID, ledger->id, MR_LEDGER_ID_LEN}};
        for (size_t i = 0; i < sizeof rows / sizeof *rows && !err->code; i++) {
            (void)!mr_ledger_note(ledger, rows[i].kind, 0, rows[i].data, rows[i].len, err);
        }
    }
    texts_fini(&texts);
    return err->code;
}

/* A text of the job that the journal holds. */
static const char *fact_text(const struct mr_ledger *ledger, enum mr_ledger_fact kind) {
    const struct mr_fact *fact = mr_ledger_find(ledger, kind, 0);
    return fact ? fact->bytes : "";
}

static bool is_same(const struct mr_ledger *ledger, enum mr_ledger_fact kind,
                    const struct mr_buffer *text) {
    const struct mr_fact *fact = mr_ledger_find(ledger, kind, 0);
    return fact && fact->len == text->len && memcmp(fact->bytes, text->data, text->len) == 0;
}

/* The job described last, 0: none. */
static uint32_t last_job(const struct mr_ledger *ledger) {
    size_t count;
    const struct mr_fact *facts = mr_journal_facts(ledger->journal, &count);
    return count > 0 ? facts[count - 1].job : 0;
}

/* A job that was stopping when the process died ends now: nothing of it runs any more. */
static int bury(struct mr_ledger *ledger, struct mr_error *err) {
    struct mr_core *core = mr_journal_core(ledger->journal);
    struct mr_core_event lost = {.kind = MR_CORE_NODE_LOST,
                                 .worker = {0, mr_core_node(core, 0).incarnation}};
    struct mr_core_effects effects;
    struct mr_error how = {.code = mr_core_job(core, ledger->job).status};
    return mr_journal_apply(ledger->journal, &lost, 0, &effects, err) ||
                   mr_ledger_end(ledger, &how, err)
               ? err->code
               : mr_journal_commit(ledger->journal, err);
}

/* An unfinished job: goes on with this run, or this run is refused. */
static int go_on(struct mr_ledger *ledger, const struct texts *texts, struct mr_error *err) {
    struct mr_identity_texts before = {fact_text(ledger, MR_LEDGER_WHAT),
                                       fact_text(ledger, MR_LEDGER_INPUTS)};
    struct mr_identity_texts now = {texts->what.data, texts->inputs.data};
    char what[400];
    switch (mr_identity_compare(&before, &now, &texts->shape, what, sizeof what)) {
    case MR_IDENTITY_INPUTS:
        return mr_error_set(err, MR_ERR_INPUT,
                            "an input changed since the unfinished run in \"" SHOWN
                            "\" read it: %s; remove \"" SHOWN "\" to begin anew",
                            ledger->owner, what, ledger->owner);
    case MR_IDENTITY_OTHER:
        return mr_error_set(err, MR_ERR_USAGE,
                            "\"" SHOWN "\" holds the unfinished run of another command: " SHOWN
                            " (%s); finish that one, name another --state, or remove it",
                            ledger->owner, fact_text(ledger, MR_LEDGER_LABEL), what);
    case MR_IDENTITY_SAME:
        break;
    }
    ledger->standing = MR_LEDGER_OPEN;
    return MR_OK;
}

/* A job that ended: done, where it is this one and its output is there; else a new one begins. */
static int look_at_ended(struct mr_ledger *ledger, const struct mr_run_spec *spec,
                         const struct texts *texts, struct mr_error *err) {
    bool is_done = false;
    if (strncmp(fact_text(ledger, MR_LEDGER_END), "OK\n", 3) == 0 &&
        is_same(ledger, MR_LEDGER_WHAT, &texts->what) &&
        is_same(ledger, MR_LEDGER_INPUTS, &texts->inputs) &&
        mr_commit_is_done(spec->output, fact_text(ledger, MR_LEDGER_ID), &is_done, err)) {
        return err->code;
    }
    ledger->standing = is_done ? MR_LEDGER_DONE : MR_LEDGER_NEW;
    return MR_OK;
}

static int find_standing(struct mr_ledger *ledger, const struct mr_run_spec *spec,
                         const struct mr_plan *plan, struct mr_error *err) {
    struct texts texts = {0};
    struct mr_core *core = mr_journal_core(ledger->journal);
    ledger->job = last_job(ledger);
    if (ledger->job && mr_core_job(core, ledger->job).state == MR_CORE_JOB_STOPPING &&
        bury(ledger, err)) {
        return err->code;
    }
    enum mr_core_job_state state = mr_core_job(core, ledger->job).state;
    bool is_over = state == MR_CORE_JOB_UNKNOWN || state == MR_CORE_JOB_FINISHED;
    if (ledger->job && !write_texts(&texts, spec, plan, err)) {
        (void)!(is_over ? look_at_ended(ledger, spec, &texts, err) : go_on(ledger, &texts, err));
    }
    texts_fini(&texts);
    return err->code;
}

int mr_ledger_begin(struct mr_ledger *ledger, const char *id, const char *dir,
                    struct mr_error *err) {
    *ledger = (struct mr_ledger){.job = 1, .dir = strdup(dir)};
    snprintf(ledger->id, sizeof ledger->id, "%s", id);
    return ledger->dir ? MR_OK : mr_error_nomem(err, "beginning a run");
}

/* Takes the id of the job that goes on, or begins a new job's with this one. */
static int take_id(struct mr_ledger *ledger, const char *id, struct mr_error *err) {
    if (ledger->standing == MR_LEDGER_NEW) {
        ledger->job++;
        snprintf(ledger->id, sizeof ledger->id, "%s", id);
    } else {
        snprintf(ledger->id, sizeof ledger->id, "%s", fact_text(ledger, MR_LEDGER_ID));
    }
    if (asprintf(&ledger->dir, "%s/" OUTPUTS "%s", ledger->owner, ledger->id) < 0) {
        ledger->dir = NULL;
        return mr_error_nomem(err, "opening the state");
    }
    return MR_OK;
}

/* What lies in STATE is no input: it would differ each time. */
static int check_place(const struct mr_ledger *ledger, const struct mr_plan *plan,
                       struct mr_error *err) {
    size_t len = strlen(ledger->owner);
    for (size_t i = 0; i < plan->inputs.count && !err->code; i++) {
        char *path = realpath(plan->inputs.items[i].path, NULL);
        if (path && strncmp(path, ledger->owner, len) == 0 && path[len] == '/') {
            mr_error_set(err, MR_ERR_USAGE,
                         "input \"" SHOWN "\" lies in --state \"" SHOWN "\": keep the state out of "
                         "the inputs",
                         plan->inputs.items[i].path, ledger->owner);
        }
        free(path);
    }
    return err->code;
}

int mr_ledger_open(struct mr_ledger *ledger, const struct mr_run_spec *spec,
                   const struct mr_plan *plan, const char *id, struct mr_error *err) {
    *ledger = (struct mr_ledger){0};
    if (mr_identity_path(spec->state, &ledger->owner, err) || check_place(ledger, plan, err) ||
        mr_journal_open(ledger->owner, MR_JOURNAL_RUN, &ledger->journal, err) ||
        find_standing(ledger, spec, plan, err)) {
        return err->code;
    }
    return take_id(ledger, id, err);
}

void mr_ledger_close(struct mr_ledger *ledger) {
    mr_journal_close(ledger->journal);
    mr_facts_fini(&ledger->facts);
    free(ledger->dir);
    free(ledger->owner);
    *ledger = (struct mr_ledger){0};
}

/* ---- files ----------------------------------------------------------------------------------- */

int mr_ledger_make_dir(const struct mr_ledger *ledger, struct mr_error *err) {
    mr_ledger_clear(ledger, true);
    if (mkdir(ledger->dir, 0700) != 0 && errno != EEXIST) {
        return mr_error_errno(err, MR_ERR_IO, errno, "make \"" SHOWN "\"", ledger->dir);
    }
    int fd = open(ledger->owner, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0) {
        mr_error_errno(err, MR_ERR_IO, errno, "make \"" SHOWN "\" durable", ledger->dir);
    }
    if (fd >= 0) {
        (void)close(fd); /* it was synced */
    }
    return err->code;
}

int mr_ledger_sync(const struct mr_ledger *ledger, const char *path, struct mr_error *err) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int dir_fd = open(ledger->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || dir_fd < 0) {
        mr_error_errno(err, MR_ERR_IO, errno, "open \"%s\"", path);
    } else if (!mr_file_sync(fd, path, err)) {
        (void)!mr_file_sync(dir_fd, ledger->dir, err);
    }
    if (fd >= 0) {
        (void)close(fd); /* it was synced */
    }
    if (dir_fd >= 0) {
        (void)close(dir_fd);
    }
    return err->code;
}

/* What a clearing leaves. */
struct clearing {
    int dir_fd;
    const char *kept; /* NULL: nothing */
};

static int visit_outputs(void *arg, const char *name, struct mr_error *err) {
    const struct clearing *clearing = arg;
    const char *id = name + strlen(OUTPUTS);
    bool is_ours = strncmp(name, OUTPUTS, strlen(OUTPUTS)) == 0 && strlen(id) == MR_LEDGER_ID_LEN &&
                   strspn(id, "0123456789abcdef") == MR_LEDGER_ID_LEN;
    if (is_ours && !(clearing->kept && strcmp(name, clearing->kept) == 0)) {
        struct mr_error ignored = {0};
        (void)!mr_tree_remove(clearing->dir_fd, name, &ignored);
    }
    (void)err;
    return 0;
}

void mr_ledger_clear(const struct mr_ledger *ledger, bool keeps_own) {
    struct mr_error ignored = {0}; /* what stays, the next run clears */
    struct clearing clearing = {open(ledger->owner, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
                                keeps_own ? strrchr(ledger->dir, '/') + 1 : NULL};
    if (clearing.dir_fd >= 0) {
        (void)!mr_tree_each(clearing.dir_fd, visit_outputs, &clearing, &ignored);
        (void)close(clearing.dir_fd); /* nothing was written */
    }
}
