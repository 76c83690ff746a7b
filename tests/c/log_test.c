/* What a pool says to the program that asks to be told. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

struct ear {
    char sentences[16][512];
    uint32_t levels[16];
    int count;
    int makes_pool;
};

static void hear(void *user_data, uint32_t level, const char *sentence) {
    struct ear *const ear = user_data;
    REQUIRE(ear->count < 16);
    ear->levels[ear->count] = level;
    strcpy(ear->sentences[ear->count], sentence);
    ear->count++;
    if (ear->makes_pool) {
        vgpu_pool *const pool = make_pool(1);
        int ran = 0;
        CHECK_OK(vgpu_pool_submit(pool, count_task, &ran, NULL, NULL));
        CHECK_OK(vgpu_pool_destroy(pool));
        CHECK(ran == 1);
    }
}

static int heard(const struct ear *ear, uint32_t level, const char *words) {
    int i;
    for (i = 0; i < ear->count; i++) {
        if (ear->levels[i] == level && strstr(ear->sentences[i], words) != NULL) return 1;
    }
    return 0;
}

static void sentences(void) {
    struct ear ear;
    vgpu_pool_config config;
    vgpu_pool *pool = NULL;
    section("more workers than CPUs, a pool that cannot be made, levels");
    memset(&ear, 0, sizeof ear);
    vgpu_pool_config_init(&config);
    config.on_log = hear;
    config.log_user_data = &ear;
    config.num_workers = 4 * vgpu_available_cpus();
    CHECK_OK(vgpu_pool_create(&config, &pool));
    CHECK_OK(vgpu_pool_destroy(pool));
    CHECK(heard(&ear, VGPU_LOG_WARNING, "share them") && !heard(&ear, VGPU_LOG_INFO, ""));

    memset(&ear, 0, sizeof ear);
    config.num_workers = 1;
    CHECK_OK(vgpu_pool_create(&config, &pool));
    CHECK_OK(vgpu_pool_destroy(pool));
    CHECK(ear.count == 0);
    config.log_level = VGPU_LOG_INFO;
    CHECK_OK(vgpu_pool_create(&config, &pool));
    CHECK_OK(vgpu_pool_destroy(pool));
    CHECK(heard(&ear, VGPU_LOG_INFO, "a pool of 1 workers") && !heard(&ear, VGPU_LOG_WARNING, ""));

    memset(&ear, 0, sizeof ear);
    config.log_level = VGPU_LOG_ERROR;
    config.num_workers = 5000;
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_pool_create(&config, &pool));
    CHECK(ear.count == 1 && heard(&ear, VGPU_LOG_ERROR, "no pool was made: 5000 workers"));
    config.num_workers = 4 * vgpu_available_cpus();
    CHECK_OK(vgpu_pool_create(&config, &pool));
    CHECK_OK(vgpu_pool_destroy(pool));
    CHECK(ear.count == 1);
    config.log_level = 4;
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_pool_create(&config, &pool));
}

static void calls_back(void) {
    struct ear ear;
    vgpu_pool_config config;
    vgpu_pool *pool = NULL;
    section("the function may use the library");
    memset(&ear, 0, sizeof ear);
    ear.makes_pool = 1;
    vgpu_pool_config_init(&config);
    config.on_log = hear;
    config.log_user_data = &ear;
    config.log_level = VGPU_LOG_INFO;
    CHECK_OK(vgpu_pool_create(&config, &pool));
    CHECK(ear.count > 0);
    CHECK_OK(vgpu_pool_destroy(pool));
}

int main(void) {
    sentences();
    calls_back();
    return check_done();
}
