/* earlier_abi: a plugin built against the headers of the Millrace before jobs could loop. */
#include <mr/job.h>

static const struct mr_round rounds[] = {{.name = "only", .value = MR_VALUES}};

MR_PLUGIN = {.abi = 1,
             .name = "earlier-abi",
             .summary = "come from the past",
             .rounds = rounds,
             .round_count = 1};
