/* test_states: of a loop's states those stay that somebody here may read. */
#include "lib/worker/node/states.h"

#include "lib/base/error.h"
#include "lib/output/tree.h"
#include "tests/unit/test.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TURNS 5

static unsigned count_states(const char *dir) {
    unsigned count = 0;
    DIR *list = opendir(dir);
    cr_assert_not_null(list);
    for (struct dirent *entry; (entry = readdir(list));) {
        count += strncmp(entry->d_name, "state-", 6) == 0;
    }
    closedir(list);
    return count;
}

/* Turns are done here, and what reads their states elsewhere: one state is kept, the latest. */
Test(states, of_turns_one_is_kept) {
    static struct mr_dossier job;
    static struct mr_errand errand;
    struct mr_errand_around around = {0};
    struct mr_error err = {0};
    char dir[] = "/tmp/test_states-XXXXXX";
    char blobs[64];
    cr_assert(mkdtemp(dir));
    snprintf(job.dir, sizeof job.dir, "%s", dir);
    snprintf(blobs, sizeof blobs, "%s/blobs", dir);
    cr_assert_eq(mr_blobs_open(blobs, false, &around.blobs, &err), 0, "%s", err.text);
    errand.job = &job;
    for (unsigned turn = 0; turn < TURNS; turn++) {
        errand.has_next_state = true;
        cr_assert_eq(mr_blobs_put(around.blobs, (struct mr_bytes){(const char *)&turn, sizeof turn},
                                  &errand.next_state, &err),
                     0);
        mr_states_keep(&around, &errand);
        mr_states_keep(&around, &errand); /* told twice */
        mr_blobs_remove(around.blobs, errand.next_state);
        cr_assert_eq(count_states(dir), 1u);
    }
    mr_blobs_close(around.blobs);
    cr_assert_eq(mr_tree_remove(AT_FDCWD, dir, &err), 0);
}
