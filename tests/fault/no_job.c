/* no_job: a shared object that is no plugin: the symbol is missing. */
int misnamed_job;
