/* exits: the exit statuses of the master daemon. */
#ifndef MR_SHELL_EXITS_H
#define MR_SHELL_EXITS_H

/* How a master ends that nobody told to. The exit status of the daemon. */
enum mr_master_exit {
    MR_MASTER_EXIT_CORRUPT = 65, /* EX_DATAERR: the journal is damaged */
    MR_MASTER_EXIT_DEFECT = 70,  /* EX_SOFTWARE */
    MR_MASTER_EXIT_MEMORY = 71,  /* EX_OSERR */
    MR_MASTER_EXIT_IO = 74,      /* EX_IOERR: the journal can't be read or written */
    MR_MASTER_EXIT_IN_USE = 75,  /* EX_TEMPFAIL: another process has the journal */
    MR_MASTER_EXIT_CONFIG = 78,  /* EX_CONFIG: a secret, an address or a folder won't do */
};

#endif
