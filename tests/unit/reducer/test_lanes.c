/* test_lanes: ranges written by many threads come out whole and in order. */
#include "reducer/lanes.h"

#include "tests/unit/test.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define RANGES 60
#define MIB ((size_t)1 << 20)

struct fixture {
    struct mr_part part;
    struct mr_lanes *lanes;
    atomic_size_t next;
    size_t large; /* every so many ranges one of 1.2 MiB, more than a lane may keep; 0: none */
    size_t fails; /* this range fails; RANGES: none */
    atomic_uint interrupted;
    atomic_uint failed; /* otherwise */
    int fd;
};

static void setup(struct fixture *fixture, size_t buffered_max, size_t large) {
    struct mr_error err = {0};
    *fixture = (struct fixture){.large = large, .fails = RANGES};
    cr_assert_geq(fixture->fd = memfd_create("lanes", MFD_CLOEXEC), 0);
    cr_assert_eq(mr_part_stream(&fixture->part, fixture->fd, &err), 0, "%s", err.text);
    cr_assert_eq(mr_lanes_create(&fixture->part, RANGES, buffered_max, &fixture->lanes, &err), 0);
}

static void teardown(struct fixture *fixture) {
    mr_lanes_destroy(fixture->lanes);
    mr_part_abandon(&fixture->part);
    close(fixture->fd);
}

/* The text of a range: numbered lines, so many that its size is about right. */
static size_t lines_of(const struct fixture *fixture, size_t range) {
    bool is_large = fixture->large && range % fixture->large == 0;
    return is_large ? 5 * MIB / 64 : range * 7919 % 900;
}

static int write_range(struct fixture *fixture, size_t range, struct mr_buffer *buffer,
                       struct mr_error *err) {
    double waited = 0;
    size_t lines = lines_of(fixture, range);
    for (size_t i = 0; i < lines; i++) {
        if (mr_buffer_printf(buffer, err, "%05zu %08zu\n", range, i) ||
            (i % 200 == 199 && mr_lanes_flush(fixture->lanes, range, buffer, &waited, err))) {
            return err->code;
        }
    }
    if (range == fixture->fails) {
        mr_lanes_fail(fixture->lanes);
        return MR_ERR_INTERRUPTED;
    }
    int status = mr_lanes_end(fixture->lanes, range, buffer, &waited, err);
    return !status && (buffer->len || waited < 0) ? MR_ERR_INTERNAL : status;
}

static void *write_ranges(void *arg) {
    struct fixture *fixture = arg;
    struct mr_buffer buffer = {0};
    struct mr_error err = {0};
    size_t range;
    while (!err.code && (range = atomic_fetch_add(&fixture->next, 1)) < RANGES) {
        int status = write_range(fixture, range, &buffer, &err);
        atomic_fetch_add(&fixture->interrupted, status == MR_ERR_INTERRUPTED);
        atomic_fetch_add(&fixture->failed, status && status != MR_ERR_INTERRUPTED);
        buffer.len = 0;
    }
    mr_buffer_fini(&buffer);
    return NULL;
}

static void run_threads(struct fixture *fixture, unsigned count) {
    pthread_t threads[8];
    for (unsigned i = 0; i < count; i++) {
        cr_assert_eq(pthread_create(&threads[i], NULL, write_ranges, fixture), 0);
    }
    for (unsigned i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
    }
    cr_assert_eq(atomic_load(&fixture->failed), 0u);
}

static void check_output(struct fixture *fixture) {
    FILE *file = fdopen(dup(fixture->fd), "r");
    cr_assert_not_null(file);
    rewind(file);
    char line[32];
    char expected[32];
    for (size_t range = 0; range < RANGES; range++) {
        size_t lines = lines_of(fixture, range);
        for (size_t i = 0; i < lines; i++) {
            cr_assert_not_null(fgets(line, sizeof line, file), "range %zu, line %zu", range, i);
            snprintf(expected, sizeof expected, "%05zu %08zu\n", range, i);
            cr_assert_str_eq(line, expected);
        }
    }
    cr_assert_null(fgets(line, sizeof line, file));
    fclose(file);
}

Test(lanes, write_in_order) {
    static const size_t buffered[] = {0, 20000, MIB, SIZE_MAX};
    for (size_t b = 0; b < 4; b++) {
        for (unsigned threads = 1; threads <= 8; threads *= 2) {
            struct fixture fixture;
            struct mr_run_part result = {0};
            struct mr_error err = {0};
            setup(&fixture, buffered[b], threads == 4 ? 9 : 0);
            run_threads(&fixture, threads);
            cr_assert_eq(atomic_load(&fixture.interrupted), 0u);
            check_output(&fixture);
            cr_assert_eq(mr_part_finish(&fixture.part, &result, &err), 0);
            cr_assert_eq(result.bytes, (uint64_t)lseek(fixture.fd, 0, SEEK_END));
            teardown(&fixture);
        }
    }
}

/* Whoever waits for a range that failed is let go, and nothing of what comes after it is written.
 */
Test(lanes, a_failure_ends_all_waiting) {
    for (size_t fails = 0; fails < RANGES; fails += 13) {
        struct fixture fixture;
        setup(&fixture, 0, 5);
        fixture.fails = fails;
        run_threads(&fixture, 4);
        cr_assert_geq(atomic_load(&fixture.interrupted), 1u);
        char last[15];
        off_t size = lseek(fixture.fd, 0, SEEK_END);
        if (size > 0) {
            cr_assert_eq(pread(fixture.fd, last, sizeof last, size - 15), (ssize_t)sizeof last);
            cr_assert_leq(strtoul(last, NULL, 10), fails);
        }
        teardown(&fixture);
    }
}

static void end_range(struct fixture *fixture, size_t range, const char *text) {
    struct mr_buffer buffer = {0};
    struct mr_error err = {0};
    double waited = 0;
    if (mr_buffer_append_text(&buffer, text, &err) ||
        mr_lanes_end(fixture->lanes, range, &buffer, &waited, &err)) {
        atomic_fetch_add(&fixture->failed, 1);
    }
    mr_buffer_fini(&buffer);
}

static void *end_second(void *arg) {
    end_range(arg, 1, "second\n");
    return NULL;
}

/* What a range leaves behind is written when its turn comes, which makes room for others; without
 * room for it, it waits. */
Test(lanes, leave_or_wait) {
    for (int has_room = 0; has_room < 2; has_room++) {
        struct fixture fixture;
        pthread_t thread;
        char text[28] = {0};
        setup(&fixture, has_room ? 7 : 6, 0);
        cr_assert_eq(pthread_create(&thread, NULL, end_second, &fixture), 0);
        if (has_room) {
            pthread_join(thread, NULL);
        }
        cr_assert_eq(lseek(fixture.fd, 0, SEEK_END), 0);
        end_range(&fixture, 0, "first \n");
        if (has_room) {
            end_range(&fixture, 3, "fourth\n"); /* before the third: there is room again */
        } else {
            pthread_join(thread, NULL);
        }
        end_range(&fixture, 2, "third \n");
        if (!has_room) {
            end_range(&fixture, 3, "fourth\n");
        }
        cr_assert_eq(atomic_load(&fixture.failed), 0u);
        cr_assert_eq(pread(fixture.fd, text, sizeof text, 0), 28);
        cr_assert_eq(memcmp(text, "first \nsecond\nthird \nfourth\n", 28), 0);
        teardown(&fixture);
    }
    mr_lanes_destroy(NULL);
}
