/* problems: gathers all that is wrong with one thing before any of it is reported. */
#include "lib/job/problems.h"

#include "lib/base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Kept free at the end of the text, to say how many problems it leaves out. */
#define TAIL_LEN 24

void mr_problems_add(struct mr_problems *problems, int code, const char *format, ...) {
    char line[MR_ERROR_TEXT_MAX - TAIL_LEN];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);

    struct mr_error *found = &problems->found;
    if (!found->code) {
        mr_error_set(found, code, "%s", line);
    } else if (strlen(found->text) + 1 + strlen(line) < sizeof line) {
        mr_error_add(found, "\n%s", line);
    } else {
        problems->left_out++;
    }
}

int mr_problems_report(const struct mr_problems *problems, struct mr_error *err) {
    if (!problems->found.code) {
        return 0;
    }
    struct mr_error all = problems->found;
    if (problems->left_out > 0) {
        mr_error_add(&all, "\nand %u more", problems->left_out);
    }
    return mr_error_set(err, all.code, "%s", all.text);
}
