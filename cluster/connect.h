/* connect: the connection that a command's options ask for. */
#ifndef MR_CLUSTER_CONNECT_H
#define MR_CLUSTER_CONNECT_H

#include "cli/commands.h"
#include "lib/client/client.h"

/* By --master, --secret and --connect-timeout. Close it with mr_client_close. */
MR_MUST_USE int mr_connect_open(const struct mr_option_value *master,
                                const struct mr_option_value *secret,
                                const struct mr_option_value *timeout, struct mr_client **client,
                                struct mr_error *err);

/* How long that is: the given number of seconds, or the default. */
uint64_t mr_connect_ms(const struct mr_option_value *timeout);

#define MR_CONNECT_OPTIONS_MAX 32 /* of a command */

/* The beginning of every command that only asks: reads the command line with up to `most` operands
 * into `args` and `values`, shows the help where that is wanted, refuses in the words `missing`
 * (NULL: none) where the first operand is not there, else prepares to connect. *client is NULL
 * where nothing is left to do. */
MR_MUST_USE int mr_connect_begin(const struct mr_command *command, char **args, size_t most,
                                 const char *missing,
                                 struct mr_option_value values[MR_CONNECT_OPTIONS_MAX],
                                 struct mr_client **client, struct mr_error *err);

/* The end of a command: closes, harmlessly on NULL, and returns how it ends by err: a status, or
 * its exit status where it was the master that refused, so that no help with the command line is
 * offered. */
int mr_connect_close(struct mr_client *client, const struct mr_error *err);

/* The end of one that only asks for something to be done: with --json, says that it was. */
MR_MUST_USE int mr_connect_say_done(const struct mr_command *command,
                                    const struct mr_option_value *values, struct mr_error *err);

#endif
