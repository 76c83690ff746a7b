/* NULL, zero, unknown and contradictory arguments to every function: a status and a sentence, never a crash. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

static int32_t nothing(vgpu_worker *worker, void *user_data) {
    (void)worker;
    (void)user_data;
    return 0;
}

static int32_t nothing_range(vgpu_worker *worker, void *user_data, size_t begin, size_t end) {
    (void)worker;
    (void)user_data;
    (void)begin;
    (void)end;
    return 0;
}

static int32_t nothing_tile(vgpu_worker *worker, void *user_data, size_t row_begin, size_t row_end, size_t col_begin,
                            size_t col_end) {
    (void)worker;
    (void)user_data;
    (void)row_begin;
    (void)row_end;
    (void)col_begin;
    (void)col_end;
    return 0;
}

static int32_t nothing_index(vgpu_worker *worker, void *user_data, size_t index) {
    (void)worker;
    (void)user_data;
    (void)index;
    return 0;
}

static int32_t nothing_value(vgpu_worker *worker, void *user_data, size_t begin, size_t end, void *value) {
    (void)worker;
    (void)user_data;
    (void)begin;
    (void)end;
    (void)value;
    return 0;
}

static int32_t nothing_combine(void *user_data, void *left, const void *right) {
    (void)user_data;
    (void)left;
    (void)right;
    return 0;
}

static int32_t equal(void *user_data, const void *a, const void *b) {
    (void)user_data;
    (void)a;
    (void)b;
    return 0;
}

static void ignore_completion(void *user_data, vgpu_status status) {
    (void)user_data;
    (void)status;
}

static void null_handles(void) {
    vgpu_pool *pool = make_pool(1);
    vgpu_future *future = (vgpu_future *)(void *)&pool;
    vgpu_group *group = (vgpu_group *)(void *)&pool;
    vgpu_task_storage storage;
    int32_t code = 7;
    section("NULL where an object, a function or an output is needed");
    vgpu_pool_config_init_sized(NULL, (uint32_t)sizeof(vgpu_pool_config));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_pool_create(NULL, NULL));
    CHECK_OK(vgpu_pool_destroy(NULL));
    CHECK(vgpu_pool_num_workers(NULL) == 0);
    CHECK(vgpu_pool_num_workers(pool) == 1);

    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_pool_submit(NULL, nothing, NULL, NULL, &future));
    CHECK(future == NULL); /* a handle output is NULL after a failure */
    future = (vgpu_future *)(void *)&pool;
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_pool_submit(pool, NULL, NULL, NULL, &future));
    CHECK(future == NULL);
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_pool_submit_in(NULL, &storage, nothing, NULL, NULL, &future));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_pool_submit_in(pool, NULL, nothing, NULL, NULL, &future));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_pool_submit_in(pool, &storage, NULL, NULL, NULL, &future));
    CHECK(future == NULL);
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_pool_wait_all(NULL));

    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_future_get(NULL, &code));
    CHECK(code == 0); /* no task returned anything */
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_future_wait(NULL));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_future_wait_for(NULL, 1));
    CHECK(vgpu_future_is_ready(NULL) == 0);
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_future_cancel(NULL));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_future_on_complete(NULL, ignore_completion, NULL));
    CHECK_OK(vgpu_future_release(NULL));
    REQUIRE(vgpu_pool_submit(pool, nothing, NULL, NULL, &future) == VGPU_OK);
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_future_on_complete(future, NULL, NULL));
    CHECK_OK(vgpu_future_get(future, NULL));
    CHECK_OK(vgpu_future_release(future));

    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_group_create(NULL, &group));
    CHECK(group == NULL);
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_group_create(pool, NULL));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_group_submit(NULL, nothing, NULL, NULL));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_group_wait(NULL, &code));
    CHECK_OK(vgpu_group_destroy(NULL));
    REQUIRE(vgpu_group_create(pool, &group) == VGPU_OK);
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_group_submit(group, NULL, NULL, NULL));
    CHECK_OK(vgpu_group_wait(group, NULL));
    CHECK_OK(vgpu_group_destroy(group));

    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_parallel_for(pool, 10, 0, NULL, NULL));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_parallel_for(NULL, 10, 0, NULL, NULL));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_parallel_for_tiles(pool, 4, 4, 2, 2, NULL, NULL));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_join(pool, NULL, NULL, nothing, NULL));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_join(pool, nothing, NULL, NULL, NULL));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_task_set_error(NULL));
    CHECK(vgpu_worker_index(NULL) == UINT32_MAX);
    uint32_t previous = UINT32_MAX;
    CHECK_OK(vgpu_worker_set_wait_policy(NULL, VGPU_WAIT_BLOCK, &previous));
    CHECK(previous == VGPU_WAIT_HELP_ANY);
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_worker_set_wait_policy(NULL, 3, NULL));
    CHECK_OK(vgpu_pool_destroy(pool));
}

/* Each argument of the functions on values and arrays that can be wrong, on a pool and without one. */
static void values_and_arrays(vgpu_pool *pool) {
    const vgpu_value_fn value = nothing_value;
    const vgpu_combine_fn combine = nothing_combine;
    char zero[8] = "";
    char out[8] = "result";
    section("values and arrays: NULL, no bytes, more bytes than there are");
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_parallel_reduce(pool, 9, 0, 8, NULL, value, combine, NULL, out));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_parallel_reduce(pool, 9, 0, 8, zero, NULL, combine, NULL, out));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_parallel_reduce(pool, 9, 0, 8, zero, value, NULL, NULL, out));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_parallel_reduce(pool, 9, 0, 8, zero, value, combine, NULL, NULL));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_parallel_reduce(pool, 9, 0, 0, zero, value, combine, NULL, out));
    CHECK_STATUS(VGPU_ERROR_OVERFLOW, vgpu_parallel_reduce(pool, 9, 0, SIZE_MAX, zero, value, combine, NULL, out));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_parallel_scan(pool, 9, 0, 8, NULL, value, combine, value, NULL));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_parallel_scan(pool, 9, 0, 8, zero, NULL, combine, value, NULL));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_parallel_scan(pool, 9, 0, 8, zero, value, NULL, value, NULL));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_parallel_scan(pool, 9, 0, 8, zero, value, combine, NULL, NULL));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_parallel_scan(pool, 9, 0, 0, zero, value, combine, value, NULL));
    CHECK_STATUS(VGPU_ERROR_OVERFLOW, vgpu_parallel_scan(pool, 9, 0, SIZE_MAX, zero, value, combine, value, NULL));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_parallel_sort(pool, NULL, 1, 1, equal, NULL));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_parallel_sort(pool, out, 8, 1, NULL, NULL));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_parallel_sort(pool, out, 8, 0, equal, NULL));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_parallel_sort(pool, NULL, 0, 0, equal, NULL));
    CHECK_STATUS(VGPU_ERROR_OVERFLOW, vgpu_parallel_sort(pool, out, SIZE_MAX, 2, equal, NULL));
    CHECK_STATUS(VGPU_ERROR_OVERFLOW, vgpu_parallel_sort(pool, out, SIZE_MAX / 2 + 1, 1, equal, NULL));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_fork_all(pool, 3, NULL, NULL));
    CHECK(strcmp(out, "result") == 0);

    CHECK_OK(vgpu_parallel_reduce(pool, 0, 0, 8, zero, value, combine, NULL, out));
    CHECK(memcmp(out, zero, sizeof out) == 0); /* nothing to reduce gives identity */
    CHECK_OK(vgpu_parallel_reduce(pool, SIZE_MAX, 0, 8, zero, value, combine, NULL, out));
    CHECK_OK(vgpu_parallel_reduce(pool, SIZE_MAX, SIZE_MAX / 3, 8, zero, value, combine, NULL, zero));
    CHECK_OK(vgpu_parallel_scan(pool, 0, 0, 8, zero, value, combine, value, NULL));
    CHECK_OK(vgpu_parallel_scan(pool, SIZE_MAX, 0, 8, zero, value, combine, value, NULL));
    CHECK_OK(vgpu_parallel_scan(pool, SIZE_MAX, SIZE_MAX, 8, zero, value, combine, value, NULL));
    CHECK_STATUS(VGPU_ERROR_OVERFLOW, vgpu_parallel_scan(pool, SIZE_MAX, 1, 8, zero, value, combine, value, NULL));
    CHECK_OK(vgpu_parallel_sort(pool, NULL, 0, 1, equal, NULL));
    CHECK_OK(vgpu_parallel_sort(pool, out, 1, 8, equal, NULL));
    CHECK_OK(vgpu_fork_all(pool, 0, nothing_index, NULL));
    CHECK_OK(vgpu_fork_all(pool, 1, nothing_index, NULL));
}

static void zero_and_huge(void) {
    vgpu_pool *pool = make_pool(2);
    section("nothing to do, and more than can be counted");
    CHECK_OK(vgpu_parallel_for(pool, 0, 0, nothing_range, NULL));
    CHECK_OK(vgpu_parallel_for(pool, 1, SIZE_MAX, nothing_range, NULL));
    CHECK_OK(vgpu_parallel_for(pool, SIZE_MAX, SIZE_MAX, nothing_range, NULL));
    CHECK_OK(vgpu_parallel_for(pool, SIZE_MAX, 0, nothing_range, NULL));
    CHECK_OK(vgpu_parallel_for(pool, SIZE_MAX, SIZE_MAX / 3, nothing_range, NULL));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_parallel_for_tiles(pool, 5, 5, 0, 1, nothing_tile, NULL));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_parallel_for_tiles(pool, 5, 5, 1, 0, nothing_tile, NULL));
    CHECK_OK(vgpu_parallel_for_tiles(pool, 0, 5, 1, 1, nothing_tile, NULL));
    CHECK_OK(vgpu_parallel_for_tiles(pool, 5, 0, 1, 1, nothing_tile, NULL));
    CHECK_OK(vgpu_parallel_for_tiles(pool, SIZE_MAX, SIZE_MAX, SIZE_MAX, SIZE_MAX, nothing_tile, NULL));
    CHECK_STATUS(VGPU_ERROR_OVERFLOW, vgpu_parallel_for_tiles(pool, SIZE_MAX, SIZE_MAX, 1, 1, nothing_tile, NULL));
    values_and_arrays(pool);
    values_and_arrays(NULL);
    CHECK_OK(vgpu_pool_wait_all(pool));
    CHECK_OK(vgpu_pool_destroy(pool));
}

/* Each field set to something that no pool can be made of. */
static void bad_config(const char *what, const vgpu_pool_config *config) {
    vgpu_pool *pool = (vgpu_pool *)(void *)&check_count;
    const vgpu_status status = vgpu_pool_create(config, &pool);
    if (status != VGPU_ERROR_INVALID_ARGUMENT || pool != NULL) {
        fprintf(stderr, "a config with %s gave %s\n", what, vgpu_status_name(status));
    }
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, status);
    CHECK(pool == NULL);
}

static void *some_allocate(void *context, size_t size, size_t align) {
    (void)context;
    (void)size;
    (void)align;
    return NULL;
}

static void some_free(void *context, void *memory, size_t size, size_t align) {
    (void)context;
    (void)memory;
    (void)size;
    (void)align;
}

static void configs(void) {
    vgpu_pool_config fresh;
    vgpu_pool_config config;
    int bit;
    section("configs with unknown flags, unknown choices, half an allocator");
    memset(&fresh, 0xff, sizeof fresh);
    vgpu_pool_config_init(&fresh);
    CHECK(fresh.struct_size == sizeof fresh);
    CHECK(fresh.flags == 0 && fresh.num_workers == 0 && fresh.inbox_capacity == 0 && fresh.inbox_full == VGPU_INBOX_FULL_ERROR);
    CHECK(fresh.victims == VGPU_VICTIMS_LOCALITY && fresh.wait_policy == VGPU_WAIT_HELP_ANY && fresh.help_depth == 0 && fresh.stack_size == 0 && fresh.name_prefix == NULL && fresh.allocate == NULL);
    config = fresh;
    config.flags = VGPU_POOL_REPLAY;
    bad_config("an order to be replayed on threads", &config);
    for (bit = 8; bit < 32; bit++) {
        config = fresh;
        config.flags = (uint32_t)1 << bit;
        bad_config("an unknown flag", &config);
    }
    config = fresh;
    config.flags = VGPU_POOL_NO_PINNING | VGPU_POOL_REQUIRE_PINNING;
    bad_config("pinning both refused and required", &config);
    config = fresh;
    config.inbox_full = 3;
    bad_config("an unknown inbox_full", &config);
    config.inbox_full = UINT32_MAX;
    bad_config("an unknown inbox_full", &config);
    config = fresh;
    config.victims = 3;
    bad_config("an unknown victims", &config);
    config = fresh;
    config.wait_policy = VGPU_WAIT_BLOCK + 1;
    bad_config("an unknown wait_policy", &config);
    config = fresh;
    config.num_workers = UINT32_MAX;
    bad_config("4 billion workers", &config);
    config = fresh;
    config.name_prefix = "ninebytes";
    bad_config("a name of nine bytes", &config);
    config = fresh;
    config.allocate = some_allocate;
    bad_config("allocate without free", &config);
    config = fresh;
    config.free = some_free;
    bad_config("free without allocate", &config);
}

/* A config as another release of the library knows it: `bytes` of room and `size` in struct_size. */
static vgpu_status create_sized(uint32_t size, size_t tail_byte, uint32_t *workers) {
    union {
        vgpu_pool_config config;
        unsigned char bytes[4096];
        uint64_t align;
    } other;
    vgpu_pool *pool = NULL;
    vgpu_status status;
    memset(&other, 0, sizeof other);
    vgpu_pool_config_init(&other.config);
    other.config.struct_size = size;
    other.config.num_workers = 3;
    if (tail_byte != 0) {
        other.bytes[tail_byte] = 1;
    }
    status = vgpu_pool_create(&other.config, &pool);
    *workers = vgpu_pool_num_workers(pool);
    CHECK_OK(vgpu_pool_destroy(pool));
    return status;
}

static void struct_sizes(void) {
    const uint32_t known = (uint32_t)sizeof(vgpu_pool_config);
    const uint32_t until_workers = (uint32_t)(offsetof(vgpu_pool_config, num_workers) + sizeof(uint32_t));
    uint32_t workers = 0;
    unsigned char garbage[sizeof(vgpu_pool_config)];
    vgpu_pool_config config;
    vgpu_pool *pool = NULL;
    section("a struct from an older or a newer release");
    CHECK_OK(create_sized(known, 0, &workers));
    CHECK(workers == 3);
    CHECK_OK(create_sized(until_workers, 0, &workers));
    CHECK(workers == 3);

    /* An older program's struct ends early. What lies behind it is not ours: here, nonsense. */
    memset(&config, 0xff, sizeof config);
    config.struct_size = until_workers;
    config.flags = 0;
    config.num_workers = 1;
    CHECK_OK(vgpu_pool_create(&config, &pool));
    CHECK_OK(vgpu_pool_destroy(pool));

    /* A newer program's struct is longer. Accepted while the unknown part is zero. */
    CHECK_OK(create_sized(known + 64, 0, &workers));
    CHECK(workers == 3);
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, create_sized(known + 64, known, &workers));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, create_sized(known + 64, known + 63, &workers));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, create_sized(known + 1, known, &workers));

    section("a struct_size that cannot be one");
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, create_sized(0, 0, &workers));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, create_sized(3, 0, &workers));
    CHECK_OK(create_sized(4096, 0, &workers));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, create_sized(4097, 0, &workers));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, create_sized(UINT32_MAX, 0, &workers));

    /* vgpu_pool_config_init of an older program must not write past that program's struct. */
    memset(garbage, 0xab, sizeof garbage);
    vgpu_pool_config_init_sized((vgpu_pool_config *)(void *)memcpy(&config, garbage, sizeof garbage), until_workers);
    CHECK(memcmp((const unsigned char *)&config + until_workers, garbage, sizeof config - until_workers) == 0);
    CHECK(config.struct_size == until_workers && config.flags == 0 && config.num_workers == 0);
}

static void names(void) {
    vgpu_status status;
    section("names of statuses, known and unknown; versions");
    for (status = VGPU_OK; status >= VGPU_ERROR_STACK_LIMIT; status--) {
        CHECK(strncmp(vgpu_status_name(status), "VGPU_", 5) == 0);
        CHECK(status == VGPU_OK || strcmp(vgpu_status_name(status), vgpu_status_name(status + 1)) != 0);
    }
    CHECK(strcmp(vgpu_status_name(VGPU_OK), "VGPU_OK") == 0);
    CHECK(strcmp(vgpu_status_name(VGPU_ERROR_OUT_OF_MEMORY), "VGPU_ERROR_OUT_OF_MEMORY") == 0);
    CHECK(vgpu_status_name(1) != NULL && vgpu_status_name(-1000) != NULL);
    CHECK(vgpu_status_name(INT32_MIN) != NULL && vgpu_status_name(INT32_MAX) != NULL);
    CHECK(vgpu_abi_version() == 1);
    CHECK(strcmp(vgpu_version_string(), VGPU_POOL_VERSION_STRING) == 0);
    CHECK(VGPU_POOL_VERSION_NUMBER > 0);
    CHECK(vgpu_available_cpus() >= 1);
    CHECK(vgpu_last_error_message() != NULL);
}

int main(void) {
    names();
    null_handles();
    zero_and_huge();
    configs();
    struct_sizes();
    return check_done();
}
