/* test_facts: facts are found, sorted and whole, whatever was put, removed and forgotten before. */
#include "master/journal/facts.h"

#include "lib/base/error.h"
#include "tests/unit/test.h"
#include <stdlib.h>

#define JOBS 3u
#define KINDS 4u
#define KEYS 16u
#define STEPS 20000

/* What there should be: 0: nothing. */
struct model {
    uint32_t values[JOBS][KINDS][KEYS];
};

static void put(struct mr_facts *facts, struct model *model, uint32_t job, uint32_t kind,
                uint32_t key, uint32_t value) {
    struct mr_error err = {0};
    struct mr_fact fact = {job, kind, key, (char *)&value, sizeof value};
    cr_assert_eq(mr_facts_put(facts, &fact, &err), 0);
    model->values[job][kind][key] = value;
}

static void forget(struct mr_facts *facts, struct model *model, uint32_t job, uint32_t kind) {
    mr_facts_forget(facts, job, kind);
    for (uint32_t i = 0; i < KINDS; i++) {
        if (kind == UINT32_MAX || kind == i) {
            memset(model->values[job][i], 0, sizeof model->values[job][i]);
        }
    }
}

static void expect(const struct mr_fact *fact, uint32_t value) {
    cr_assert_eq(fact != NULL, value != 0);
    cr_assert(!fact ||
              (fact->len == sizeof value && memcmp(fact->bytes, &value, sizeof value) == 0 &&
               fact->bytes[fact->len] == '\0'));
}

static void compare(struct mr_facts *facts, const struct model *model) {
    size_t count;
    size_t seen = 0;
    const struct mr_fact *all = mr_facts_all(facts, &count);
    for (uint32_t i = 0; i < JOBS * KINDS * KEYS; i++) {
        uint32_t job = i / (KINDS * KEYS);
        uint32_t kind = i / KEYS % KINDS;
        uint32_t value = model->values[job][kind][i % KEYS];
        if (value) {
            cr_assert_lt(seen, count);
            cr_assert(all[seen].job == job && all[seen].kind == kind && all[seen].key == i % KEYS);
            expect(&all[seen++], value);
        }
    }
    cr_assert_eq(seen, count);
}

/* Those of a kind stand in a row, wherever the gap is. */
static void compare_some(struct mr_facts *facts, const struct model *model, uint32_t job,
                         uint32_t kind) {
    size_t count;
    size_t seen = 0;
    const struct mr_fact *some = mr_facts_some(facts, job, kind, &count);
    for (uint32_t key = 0; key < KEYS; key++) {
        uint32_t value = model->values[job][kind][key];
        if (value) {
            cr_assert_lt(seen, count);
            cr_assert(some[seen].job == job && some[seen].kind == kind && some[seen].key == key);
            expect(&some[seen++], value);
        }
    }
    cr_assert_eq(seen, count);
}

Test(facts, are_what_was_put) {
    struct mr_facts facts = {0};
    static struct model model;
    srand(1);
    compare(&facts, &model);
    for (uint32_t step = 1; step <= STEPS; step++) {
        uint32_t job = (uint32_t)rand() % JOBS;
        uint32_t kind = (uint32_t)rand() % KINDS;
        uint32_t key = (uint32_t)rand() % KEYS;
        int what = rand() % 100;
        if (what < 60) {
            put(&facts, &model, job, kind, key, step);
        } else if (what < 98) {
            mr_facts_remove(&facts, job, kind, key);
            model.values[job][kind][key] = 0;
        } else {
            forget(&facts, &model, job, what == 98 ? kind : UINT32_MAX);
        }
        expect(mr_facts_find(&facts, job, kind, key), model.values[job][kind][key]);
        if (step % 3 == 0) {
            compare_some(&facts, &model, (uint32_t)rand() % JOBS, (uint32_t)rand() % KINDS);
        }
        if (step % 7 == 0) {
            compare(&facts, &model);
        }
    }
    mr_facts_fini(&facts);
}
