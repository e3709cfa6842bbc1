/* test_intern: equal texts are one, and outlive what they were made from. */
#include "lib/base/intern.h"

#include "tests/unit/test.h"
#include <stdio.h>
#include <string.h>

Test(intern, equal_texts_are_one) {
    char text[16];
    const char *kept[10];
    for (int i = 0; i < 10; i++) {
        snprintf(text, sizeof text, "name %d", i);
        kept[i] = mr_intern(text);
        cr_assert_not_null(kept[i]);
    }
    for (int i = 0; i < 10; i++) {
        snprintf(text, sizeof text, "name %d", i);
        cr_assert_str_eq(kept[i], text);
        cr_assert_eq(mr_intern(text), kept[i]);
    }
    cr_assert_neq(mr_intern(""), kept[0]);
}
