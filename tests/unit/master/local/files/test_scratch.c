/* test_scratch: the folder of a run's files, and that it leaves nothing, descriptors neither. */
#include "master/local/files/scratch.h"

#include "tests/unit/test.h"
#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

#define ID "0123456789abcdef0123456789abcdef"

static int count_fds(void) {
    DIR *dir = opendir("/proc/self/fd");
    int count = 0;
    cr_assert_not_null(dir);
    while (readdir(dir)) {
        count++;
    }
    closedir(dir);
    return count;
}

Test(scratch, made_and_removed) {
    char tmp[] = "/tmp/millrace-scratch.XXXXXX";
    struct mr_scratch scratch = {0};
    struct mr_error err = {0};
    cr_assert_not_null(mkdtemp(tmp));
    mr_scratch_remove(&scratch); /* harmless: it closes no descriptor 0 */
    int before = count_fds();
    cr_assert_eq(mr_scratch_make(&scratch, tmp, ID, &err), 0, "%s", err.text);
    cr_assert_eq(access(scratch.path, W_OK), 0);
    struct mr_scratch second; /* of the same name: refused, and what it had opened is closed */
    cr_assert_eq(mr_scratch_make(&second, tmp, ID, &err), MR_ERR_IO);
    mr_scratch_remove(&second);
    mr_scratch_remove(&scratch);
    cr_assert_eq(count_fds(), before);
    cr_assert_eq(rmdir(tmp), 0);
}
