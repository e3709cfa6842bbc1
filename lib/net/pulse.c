/* pulse: decides when a connection on which nothing is said is to say so, and when it is dead. */
#include "lib/net/pulse.h"

void mr_pulse_begin(struct mr_pulse *pulse, uint64_t now_ms) {
    pulse->looked_ms = pulse->since_ms = now_ms;
}

void mr_pulse_sent(struct mr_pulse *pulse, uint64_t now_ms) {
    pulse->sent_ms = now_ms;
}

bool mr_pulse_is_silent(struct mr_pulse *pulse, const struct mr_net_limits *limits,
                        uint64_t heard_ms, uint64_t now_ms) {
    if (now_ms - pulse->looked_ms > 2 * (uint64_t)limits->pulse_ms) { /* we ourselves stood still */
        pulse->since_ms = now_ms;
    }
    pulse->looked_ms = now_ms;
    uint64_t from = heard_ms > pulse->since_ms ? heard_ms : pulse->since_ms;
    return now_ms - from > limits->silence_ms;
}

bool mr_pulse_is_due(const struct mr_pulse *pulse, const struct mr_net_limits *limits,
                     uint64_t now_ms) {
    return now_ms - pulse->sent_ms >= limits->pulse_ms;
}
