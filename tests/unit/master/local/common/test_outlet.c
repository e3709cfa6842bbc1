/* test_outlet: output goes to an attempt's part, or to a stream. */
#include "master/local/common/outlet.h"

#include "tests/unit/input/scratch.h"

#define ID "00112233445566778899aabbccddeeff"

Test(outlet, a_part_of_an_attempt) {
    struct scratch scratch;
    struct mr_error err = {0};
    struct mr_commit *commit = NULL;
    struct mr_outlet outlet = MR_OUTLET_CLOSED;
    struct mr_run_part part = {0};
    struct stat about;
    scratch_make(&scratch);
    cr_assert_eq(mr_commit_begin(scratch_path(&scratch, "out"), false, ID, &commit, &err), 0, "%s",
                 err.text);
    struct mr_outlet_source source = {.commit = commit, .output_fd = -1};
    cr_assert_eq(mr_outlet_open(&outlet, &source, 3, 2, &err), 0, "%s", err.text);
    cr_assert_eq(mr_part_write(&outlet.part, "one\ntwo\n", 8, &err), 0);
    cr_assert_eq(mr_outlet_finish(&outlet, 2, &part, &err), 0, "%s", err.text);
    cr_assert_eq(part.records, (uint64_t)2);
    cr_assert_eq(part.bytes, (uint64_t)8);
    cr_assert_neq(part.xxh3, (uint64_t)0);
    cr_assert_eq(fstatat(outlet.dir_fd, "part-00003", &about, 0), 0);
    cr_assert_eq(about.st_size, (off_t)8);
    cr_assert_eq(mr_outlet_close(&outlet, &err), 0);
    cr_assert_eq(outlet.dir_fd, -1);
    mr_commit_end(commit);
    scratch_remove(&scratch);
}

Test(outlet, a_stream) {
    struct mr_error err = {0};
    struct mr_outlet outlet = MR_OUTLET_CLOSED;
    struct mr_run_part part = {.records = 7};
    char text[16];
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    struct mr_outlet_source source = {.output_fd = ends[1]};
    cr_assert_eq(mr_outlet_open(&outlet, &source, 0, 1, &err), 0, "%s", err.text);
    cr_assert_eq(mr_part_write(&outlet.part, "one\n", 4, &err), 0);
    cr_assert_eq(mr_outlet_finish(&outlet, 1, &part, &err), 0, "%s", err.text);
    cr_assert_eq(part.records, (uint64_t)7); /* left alone */
    cr_assert_eq(mr_outlet_close(&outlet, &err), 0);
    cr_assert_eq(fcntl(ends[1], F_GETFD) >= 0, 1); /* the caller's */
    cr_assert_eq(read(ends[0], text, sizeof text), (ssize_t)4);
    cr_assert_eq(memcmp(text, "one\n", 4), 0);
    close(ends[0]);
    close(ends[1]);
}

Test(outlet, closing_what_was_never_opened) {
    struct mr_error err = {0};
    struct mr_outlet outlet = MR_OUTLET_CLOSED;
    cr_assert_eq(mr_outlet_close(&outlet, &err), 0);
}
