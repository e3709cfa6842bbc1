/* test_held: what is held is what was added and not removed. */
#include "lib/worker/node/held.h"

#include "lib/base/error.h"
#include "tests/unit/test.h"
#include <stdlib.h>

#define TASKS 40u
#define STEPS 20000

static struct mr_wire_row_held row_of(uint32_t phase, uint32_t round, uint32_t task) {
    return (struct mr_wire_row_held){
        .phase = phase, .round = round, .task = task, .attempt = 1, .digest = task};
}

Test(held, is_what_was_added) {
    struct mr_held held = {0};
    struct mr_error err = {0};
    static bool is_there[2][2][TASKS];
    size_t count = 0;
    srand(1);
    for (unsigned step = 0; step < STEPS; step++) {
        uint32_t phase = (uint32_t)rand() % 2;
        uint32_t round = (uint32_t)rand() % 2;
        uint32_t task = (uint32_t)rand() % TASKS;
        bool *about = &is_there[phase][round][task];
        struct mr_wire_row_held row = row_of(phase, round, task);
        cr_assert_eq(mr_held_has(&held, &row), *about);
        if (rand() % 2) {
            cr_assert_eq(mr_held_add(&held, &row, &err), 0);
            count += !*about;
            *about = true;
        } else {
            mr_held_remove(&held, &row);
            count -= *about;
            *about = false;
        }
        cr_assert_eq(held.count, count);
    }
    for (size_t i = 0; i < held.count; i++) {
        const struct mr_wire_row_held *row = &held.rows[i];
        cr_assert(is_there[row->phase][row->round][row->task]);
        cr_assert_eq(row->digest, row->task);
    }
    mr_held_fini(&held);
}

/* What is added again is in the place of what was there. */
Test(held, the_latest_digest_counts) {
    struct mr_held held = {0};
    struct mr_error err = {0};
    struct mr_wire_row_held row = row_of(0, 0, 1);
    cr_assert_eq(mr_held_add(&held, &row, &err), 0);
    row.digest = 77;
    cr_assert_eq(mr_held_add(&held, &row, &err), 0);
    cr_assert_eq(held.count, (size_t)1);
    cr_assert_eq(held.rows[0].digest, (uint64_t)77);
    mr_held_fini(&held);
}
