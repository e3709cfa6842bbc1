/* master_run: `millrace master`. */
#include "cluster/master_run.h"

#include "cli/help.h"
#include "cli/say.h"
#include "lib/base/error.h"
#include "lib/base/number.h"
#include "master/shell/master.h"

#include <stdlib.h>
#include <string.h>

/* As in cli/master.c. */
enum { HELP, LISTEN, SECRET, STATE, LEASE, HEARTBEAT, ALLOW_ROOT, OPTIONS };

#define LONGEST_MS ((uint64_t)3600 * 1000)
#define SHORTEST_MS 10

/* "10s", "500ms", "2": seconds. */
static int read_time(const struct mr_option_value *value, const char *name, uint32_t *ms,
                     struct mr_error *err) {
    char digits[MR_NUMBER_TEXT_MAX];
    uint64_t number = 0;
    if (!value->given) {
        return MR_OK;
    }
    size_t len = strspn(value->text, "0123456789");
    const char *unit = value->text + len;
    bool is_ms = strcmp(unit, "ms") == 0;
    bool is_known = is_ms || strcmp(unit, "s") == 0 || *unit == '\0';
    if (len > 0 && len < 10) {
        memcpy(digits, value->text, len);
        digits[len] = '\0';
        is_known = is_known && mr_number_read_u64(digits, &number);
    }
    number *= is_ms ? 1 : 1000;
    if (!is_known || number < SHORTEST_MS || number > LONGEST_MS) {
        return mr_error_set(err, MR_ERR_USAGE,
                            "--%s \"%.100s\": a time from 10ms to 3600s, as 10s or 500ms", name,
                            value->text);
    }
    *ms = (uint32_t)number;
    return MR_OK;
}

int mr_master_run_main(const struct mr_command *command, char **args, struct mr_error *err) {
    struct mr_option_value values[OPTIONS] = {{0}};
    struct mr_master_options options = {0};
    int status = mr_commands_parse(command, args, 0, values, err);
    if (status || values[HELP].given) {
        return status ? status : mr_help_show(command, NULL, err);
    }
    if (read_time(&values[LEASE], "lease", &options.lease_ms, err) ||
        read_time(&values[HEARTBEAT], "heartbeat", &options.heartbeat_ms, err)) {
        return err->code;
    }
    const char *secret = getenv("MILLRACE_SECRET");
    options.listen = values[LISTEN].text;
    options.state = values[STATE].text;
    options.secret = values[SECRET].given ? values[SECRET].text : secret && *secret ? secret : NULL;
    options.allow_root = values[ALLOW_ROOT].given;
    return mr_master_run(&options, err);
}
