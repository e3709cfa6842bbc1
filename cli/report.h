/* report: what is said about a run that is over. */
#ifndef MR_CLI_REPORT_H
#define MR_CLI_REPORT_H

#include "cli/page.h"

#include <mr/run.h>

/* Writes the closing line: "wordcount: 195.0 M records, 1.06 GB in 0.6 s (1.70 GB/s) -> counts". */
void mr_report_closing(const struct mr_run_spec *spec, const struct mr_run_result *result,
                       char *out, size_t size);

/* Adds the text of --report: the phases, memory, the bottleneck, and whether more threads would
 * help. */
void mr_report_add(struct mr_page *page, const struct mr_run_result *result);

#endif
