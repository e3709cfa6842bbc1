/* test_agenda: rows come out by time, then order, whatever order they went in by. */
#include "lib/base/agenda.h"

#include "tests/unit/test.h"

struct row {
    struct mr_agenda_when when;
    uint32_t number;
};

static void put(struct mr_agenda *agenda, uint64_t at, uint64_t order, uint32_t number) {
    struct mr_error err = {0};
    struct row row = {{at, order}, number};
    cr_assert_eq(mr_agenda_put(agenda, &row, &err), 0);
}

static struct row take(struct mr_agenda *agenda) {
    struct row row;
    mr_agenda_take(agenda, &row);
    return row;
}

Test(agenda, by_time_then_order) {
    struct mr_agenda agenda = {.row_bytes = sizeof(struct row)};
    put(&agenda, 5, 1, 10);
    put(&agenda, 3, 3, 11);
    put(&agenda, 3, 2, 12);
    put(&agenda, 9, 0, 13);
    static const uint32_t want[] = {12, 11, 10, 13};
    for (size_t i = 0; i < 4; i++) {
        cr_assert_eq(take(&agenda).number, want[i]);
    }
    cr_assert_eq(agenda.count, 0u);
    put(&agenda, 1, 1, 14);
    agenda.count = 0; /* emptied */
    put(&agenda, 2, 1, 15);
    cr_assert_eq(take(&agenda).number, 15u);
    mr_agenda_fini(&agenda);
    mr_agenda_fini(&agenda);
}

Test(agenda, many_that_come_and_go) {
    struct mr_agenda agenda = {.row_bytes = sizeof(struct row)};
    uint64_t random = 1;
    uint64_t now = 0;
    for (uint32_t i = 0; i < 20000; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        put(&agenda, now + (random >> 54), i, i);
        if (random >> 33 & 1) {
            struct row row = take(&agenda);
            cr_assert_geq(row.when.at, now);
            now = row.when.at;
        }
    }
    uint64_t order = 0;
    while (agenda.count > 0) {
        struct row row = take(&agenda);
        cr_assert(row.when.at > now || (row.when.at == now && row.when.order >= order));
        now = row.when.at;
        order = row.when.order;
    }
    mr_agenda_fini(&agenda);
}
