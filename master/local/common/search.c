/* search: for the records that a map task's code does not get over, so that they can be set aside.
 */
#include "master/local/common/search.h"

#include "lib/base/error.h"
#include "master/journal/chain.h"
#include <stdlib.h>

#define TIMES_SURE 2 /* failures at one record that make it a bad one */
#define TRIES_EACH 3 /* attempts that find one: its block, the record, and again */
#define NUMBERS 4    /* of a fact, before the offsets */

static const struct mr_search_task no_trouble = {.block = MR_SEARCH_NOWHERE,
                                                 .last = MR_SEARCH_NOWHERE};

void mr_search_init(struct mr_search *search, uint32_t count, uint32_t most) {
    *search = (struct mr_search){.count = count, .most = most};
}

void mr_search_clear(struct mr_search *search) {
    for (uint32_t i = 0; search->tasks && i < search->count; i++) {
        free(search->tasks[i].skips);
    }
    free(search->tasks);
    search->tasks = NULL;
}

void mr_search_fini(struct mr_search *search) {
    mr_search_clear(search);
    *search = (struct mr_search){0};
}

const struct mr_search_task *mr_search_of(const struct mr_search *search, uint32_t task) {
    return search->tasks && task < search->count ? &search->tasks[task] : &no_trouble;
}

/* The task, to be changed; NULL with an error. */
static struct mr_search_task *trouble(struct mr_search *search, uint64_t task,
                                      struct mr_error *err) {
    if (task >= search->count) {
        mr_error_set(err, MR_ERR_INPUT, "what is known of bad records is damaged");
        return NULL;
    }
    if (!search->tasks) {
        search->tasks = malloc(search->count * sizeof *search->tasks);
        for (uint32_t i = 0; search->tasks && i < search->count; i++) {
            search->tasks[i] = no_trouble;
        }
    }
    if (!search->tasks) {
        mr_error_nomem(err, "looking for bad records");
        return NULL;
    }
    return &search->tasks[task];
}

/* ---- judging ----------------------------------------------------------------------------------*/

/* Enters a record among those that are set aside. */
static int set_aside(struct mr_search *search, struct mr_search_task *task, uint64_t offset,
                     struct mr_error *err) {
    uint64_t *skips = realloc(task->skips, (task->skip_count + 1) * sizeof *skips);
    if (!skips) {
        return mr_error_nomem(err, "looking for bad records");
    }
    task->skips = skips;
    size_t at = task->skip_count++;
    for (; at > 0 && skips[at - 1] > offset; at--) {
        skips[at] = skips[at - 1];
    }
    skips[at] = offset;
    search->set_aside++;
    task->last = MR_SEARCH_NOWHERE;
    task->times = 0;
    return MR_OK;
}

int mr_search_judge(struct mr_search *search, uint32_t number,
                    const struct mr_search_failure *failure, struct mr_search_verdict *verdict,
                    struct mr_error *err) {
    struct mr_search_task *task = trouble(search, number, err);
    bool is_searched = search->most > 0;
    *verdict = (struct mr_search_verdict){0};
    if (!task) {
        return err->code;
    }
    if (!failure->is_exact) { /* the next attempt looks closer */
        is_searched = is_searched && task->block != failure->block;
        task->block = failure->block;
    } else {
        task->times = task->last == failure->offset ? task->times + 1 : 1;
        task->last = failure->offset;
        bool is_bad = task->times >= TIMES_SURE;
        verdict->is_full =
            is_bad && search->set_aside < search->most && task->skip_count >= MR_SEARCH_SKIPS_MAX;
        verdict->is_fatal = is_bad && (search->set_aside >= search->most || verdict->is_full);
        if (is_bad && !verdict->is_fatal && set_aside(search, task, failure->offset, err)) {
            return err->code;
        }
    }
    verdict->is_uncounted = is_searched && !verdict->is_fatal &&
                            task->uncounted++ < TRIES_EACH * ((uint64_t)search->most + 1);
    return MR_OK;
}

void mr_search_explain(const struct mr_search *search, const struct mr_search_verdict *verdict,
                       struct mr_error *why) {
    if (verdict->is_full) {
        mr_error_add(why,
                     "; one record more than can be set aside of one map task (%u): smaller "
                     "splits have fewer",
                     MR_SEARCH_SKIPS_MAX);
    } else if (verdict->is_fatal && search->most) {
        mr_error_add(why, "; a record more than --skip-bad-records %u allows", search->most);
    } else if (verdict->is_fatal) {
        mr_error_add(why, "; the second time at this record: --skip-bad-records N sets up to N "
                          "such records aside");
    }
}

/* ---- as facts ---------------------------------------------------------------------------------*/

int mr_search_save(const struct mr_search *search, uint32_t number, struct mr_buffer *bytes,
                   struct mr_error *err) {
    const struct mr_search_task *task = mr_search_of(search, number);
    const uint64_t numbers[NUMBERS] = {task->block, task->last, task->times, task->uncounted};
    for (size_t i = 0; i < NUMBERS + task->skip_count && !err->code; i++) {
        unsigned char eight[8];
        mr_chain_put64(eight, i < NUMBERS ? numbers[i] : task->skips[i - NUMBERS]);
        (void)!mr_buffer_append(bytes, eight, sizeof eight, err);
    }
    return err->code;
}

int mr_search_load(struct mr_search *search, const struct mr_fact *fact, struct mr_error *err) {
    struct mr_search_task *task = trouble(search, fact->key, err);
    const unsigned char *at = (const unsigned char *)fact->bytes;
    size_t count = fact->len / 8;
    if (task && (count < NUMBERS || fact->len % 8)) {
        mr_error_set(err, MR_ERR_INPUT, "what the journal knows of bad records is damaged");
    }
    for (size_t i = NUMBERS; i < count && !err->code; i++) {
        (void)!set_aside(search, task, mr_chain_get64(at + 8 * i), err);
    }
    if (!err->code) {
        task->block = mr_chain_get64(at);
        task->last = mr_chain_get64(at + 8);
        task->times = mr_chain_get64(at + 16);
        task->uncounted = mr_chain_get64(at + 24);
    }
    return err->code;
}
