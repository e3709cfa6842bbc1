/* test_machine: what is said about the machine can be true. */
#include "lib/base/machine.h"

#include "tests/unit/test.h"

#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

Test(machine, cpus_are_those_of_the_affinity_or_fewer) {
    cpu_set_t all;
    cr_assert_eq(sched_getaffinity(0, sizeof all, &all), 0);
    cr_assert_geq(mr_machine_cpus(), 1u);
    cr_assert_leq(mr_machine_cpus(), (unsigned)CPU_COUNT(&all));
    cpu_set_t one;
    CPU_ZERO(&one);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &all)) {
            CPU_SET(cpu, &one);
            break;
        }
    }
    cr_assert_eq(sched_setaffinity(0, sizeof one, &one), 0);
    unsigned cpus = mr_machine_cpus();
    cr_assert_eq(sched_setaffinity(0, sizeof all, &all), 0);
    cr_assert_eq(cpus, 1u);
}

Test(machine, memory_is_the_machines_or_less) {
    uint64_t all = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    cr_assert_gt(mr_machine_memory(), (uint64_t)1 << 20);
    cr_assert_leq(mr_machine_memory(), all);
}

Test(machine, peak_rss_sees_what_was_touched) {
    size_t len = (size_t)32 << 20;
    volatile char *data = malloc(len);
    cr_assert_not_null((void *)data);
    for (size_t i = 0; i < len; i += 4096) {
        data[i] = 1;
    }
    uint64_t peak = mr_machine_peak_rss();
    free((void *)data);
    cr_assert_geq(peak, (uint64_t)len);
}
