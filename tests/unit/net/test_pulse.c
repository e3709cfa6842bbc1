/* test_pulse: when to speak, and when nobody is there any more. */
#include "lib/net/pulse.h"

#include "tests/unit/test.h"

static const struct mr_net_limits limits = {.pulse_ms = 1000, .silence_ms = 10000};

Test(pulse, is_due_when_nothing_was_said) {
    struct mr_pulse pulse = {0};
    mr_pulse_begin(&pulse, 5000);
    mr_pulse_sent(&pulse, 5000);
    cr_assert_not(mr_pulse_is_due(&pulse, &limits, 5999));
    cr_assert(mr_pulse_is_due(&pulse, &limits, 6000));
    mr_pulse_sent(&pulse, 6000);
    cr_assert_not(mr_pulse_is_due(&pulse, &limits, 6001));
}

Test(pulse, silence_is_counted_from_what_came_last) {
    struct mr_pulse pulse = {0};
    mr_pulse_begin(&pulse, 3000);
    for (uint64_t now = 4000; now <= 13000; now += 1000) {
        cr_assert_not(mr_pulse_is_silent(&pulse, &limits, 3000, now), "at %d", (int)now);
    }
    cr_assert(mr_pulse_is_silent(&pulse, &limits, 3000, 14000));
    mr_pulse_begin(&pulse, 14000); /* it did not read until then */
    cr_assert_not(mr_pulse_is_silent(&pulse, &limits, 3000, 15000));
}

Test(pulse, ones_own_gap_does_not_count) {
    struct mr_pulse pulse = {0};
    mr_pulse_begin(&pulse, 0);
    cr_assert_not(mr_pulse_is_silent(&pulse, &limits, 500, 1000));
    cr_assert_not(mr_pulse_is_silent(&pulse, &limits, 500, 3600000), "an hour later");
    uint64_t now = 3600000;
    for (int i = 0; i < 10; i++) {
        now += 1000;
        cr_assert_not(mr_pulse_is_silent(&pulse, &limits, 500, now));
    }
    cr_assert(mr_pulse_is_silent(&pulse, &limits, 500, now + 1000), "but nothing came since");
}
