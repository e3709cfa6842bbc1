/* numbering: the three ways in which a job's rounds are counted. */
#include "master/shell/numbering.h"

/* The core's rounds of a pass. */
static uint32_t period(const struct mr_jobs_row *job) {
    return job->rounds + job->loops;
}

bool mr_numbering_is_turn(const struct mr_jobs_row *job, uint32_t core_round) {
    return job->loops && core_round % period(job) == 0;
}

uint32_t mr_numbering_list_round(const struct mr_jobs_row *job, uint32_t core_round) {
    return core_round % period(job) - job->loops;
}

bool mr_numbering_is_last(const struct mr_jobs_row *job, uint32_t core_round) {
    return !job->loops && mr_numbering_list_round(job, core_round) + 1 == job->rounds;
}

struct mr_core_attempt mr_numbering_outward(const struct mr_jobs_row *job,
                                            const struct mr_core_attempt *attempt) {
    struct mr_core_attempt told = *attempt;
    uint32_t passes = attempt->round / period(job);
    if (mr_numbering_is_turn(job, attempt->round)) {
        told.phase = MR_PHASE_LOOP;
        told.round = passes * job->rounds - 1; /* whose pairs it reads; of start: UINT32_MAX */
    } else if (job->loops) {
        told.round = passes * job->rounds + mr_numbering_list_round(job, attempt->round);
    }
    return told;
}

bool mr_numbering_inward(const struct mr_jobs_row *job, const struct mr_core_attempt *told,
                         struct mr_core_attempt *attempt) {
    uint64_t round = told->round;
    bool is_turn = told->phase == MR_PHASE_LOOP;
    *attempt = *told;
    if (is_turn) {
        uint32_t behind = told->round + 1; /* of start: 0 */
        round = (uint64_t)(behind / job->rounds) * period(job);
        attempt->phase = MR_PHASE_REDUCE;
        if (!job->loops || behind % job->rounds != 0 || told->task != 0) {
            return false;
        }
    } else if (job->loops) {
        round = (uint64_t)(told->round / job->rounds) * period(job) + told->round % job->rounds + 1;
    }
    attempt->round = (uint32_t)round;
    return round < MR_CORE_NONE && told->phase <= MR_PHASE_LOOP;
}

uint32_t mr_numbering_again_round(const struct mr_jobs_row *job, uint32_t core_round) {
    return (core_round / period(job) + 1) * period(job) + job->loops;
}
