/* wordcount: counts words inside a program of one's own. */
#include <mr/run.h>
#include <stdio.h>
#include <unistd.h>

static int count_words(const char *const *paths, size_t count, struct mr_run_result *result,
                       struct mr_error *err) {
    const struct mr_run_param params[] = {{"words", "letters"}, {"fold", NULL}, {"top", "5"}};
    struct mr_run_spec spec = {
        .inputs = paths,
        .input_count = count,
        .params = params,
        .param_count = 3,
        .output_fd = STDOUT_FILENO,
        .threads = 2,
    };
    int status = mr_run_find_job("wordcount", &spec.job, err);
    return status ? status : mr_run(&spec, result, err);
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: %s FILE...\n", argv[0]);
        return 2;
    }
    struct mr_run_result result = {0};
    struct mr_error err = {0};
    int status = count_words((const char *const *)argv + 1, (size_t)argc - 1, &result, &err);
    if (status) {
        fprintf(stderr, "%s: %s\n", argv[0], err.text);
    } else {
        fprintf(stderr, "%llu records read\n",
                (unsigned long long)result.rounds[0].books.records_read);
    }
    mr_run_result_fini(&result);
    return status ? 1 : 0;
}
