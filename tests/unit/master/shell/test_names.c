/* test_names: a set of blobs' names. */
#include "master/shell/names.h"

#include "tests/unit/test.h"

static struct mr_hash_128 name_of(uint64_t i) {
    return mr_hash_xxh3_128(&i, sizeof i);
}

Test(names, are_found) {
    struct mr_names names = {0};
    struct mr_error err = {0};
    cr_assert_not(mr_names_has(&names, name_of(1)));
    for (uint64_t i = 0; i < 1000; i++) {
        cr_assert_not(mr_names_has(&names, name_of(i)));
        cr_assert_eq(mr_names_add(&names, name_of(i), &err), 0);
        cr_assert_eq(mr_names_add(&names, name_of(i / 2), &err), 0);
        cr_assert_eq(names.count, i + 1);
    }
    for (uint64_t i = 0; i < 2000; i++) {
        cr_assert_eq(mr_names_has(&names, name_of(i)), i < 1000);
    }
    mr_names_fini(&names);
}

/* Names whose low bits are the same lie one behind the other, also around the end. */
Test(names, collide) {
    struct mr_names names = {0};
    struct mr_error err = {0};
    for (uint64_t i = 1; i <= 7; i++) {
        cr_assert_eq(mr_names_add(&names, (struct mr_hash_128){i, 15}, &err), 0);
    }
    for (uint64_t i = 1; i <= 9; i++) {
        cr_assert_eq(mr_names_has(&names, (struct mr_hash_128){i, 15}), i <= 7);
    }
    cr_assert_not(mr_names_has(&names, (struct mr_hash_128){1, 0}));
    mr_names_fini(&names);
}
