/* parameters: a job's parameters as command-line options. */
#ifndef MR_CLI_PARAMETERS_H
#define MR_CLI_PARAMETERS_H

#include "lib/base/options.h"

#include <mr/run.h>

/* Makes a table of options from the job's parameters, ended like any; the caller frees it.
 * Parameters named like one of the options `reserved` (NULL: those of `millrace run`) are left out.
 * Values stay text, checked by the run. */
MR_MUST_USE int mr_parameters_rows(const struct mr_job *job, const struct mr_option *reserved,
                                   struct mr_option **rows, struct mr_error *err);

#endif
