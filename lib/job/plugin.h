/* plugin: loads a job from a shared object, and checks a job's table before it is trusted. */
#ifndef MR_JOB_PLUGIN_H
#define MR_JOB_PLUGIN_H

#include <mr/job.h>

/* Loads a plugin by path: dlopen (RTLD_NOW | RTLD_LOCAL), the symbol mr_plugin_job, then
 * mr_plugin_check. The file is missing or not a regular file: MR_ERR_INPUT with its path; anything
 * else wrong with it: MR_ERR_JOB, in words
 * ("was built for interface version 2; this Millrace has 1: build it again", "does not export
 * mr_plugin_job: end it with MR_PLUGIN = {…}"). Stays loaded. */
MR_MUST_USE int mr_plugin_load(const char *path, const struct mr_job **job, struct mr_error *err);

/* Checks a job's table: ABI first; name, rounds, a map of the right kind in each round (map or
 * map_block in the first, none of these in later ones), combine exactly with MR_COMBINED, reduce_*
 * matching the value type, parameter names unique, well-formed defaults. All problems in one error.
 */
MR_MUST_USE int mr_plugin_check(const struct mr_job *job, struct mr_error *err);

#endif
