/* other_abi: a plugin built against the headers of a later Millrace. */
#include <mr/job.h>

static const struct mr_round rounds[] = {{.name = "only", .value = MR_VALUES}};

MR_PLUGIN = {.abi = MR_JOB_ABI + 1,
             .name = "other-abi",
             .summary = "come from the future",
             .rounds = rounds,
             .round_count = 1};
