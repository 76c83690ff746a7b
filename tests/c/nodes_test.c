/* Pools of chosen CPUs and nodes, through the C ABI. */
#define _GNU_SOURCE
#include "check.h"

#include <sched.h>

static uint32_t first_cpu(void) {
    cpu_set_t allowed;
    uint32_t cpu = 0;
    REQUIRE(sched_getaffinity(0, sizeof allowed, &allowed) == 0);
    while (!CPU_ISSET(cpu, &allowed)) cpu++;
    return cpu;
}

/* Sets *user_data to the CPU that the thread may run on, or to UINT32_MAX if there are several. */
static int32_t note_cpu(vgpu_worker *worker, void *user_data) {
    cpu_set_t allowed;
    uint32_t cpu = 0;
    (void)worker;
    REQUIRE(sched_getaffinity(0, sizeof allowed, &allowed) == 0);
    while (!CPU_ISSET(cpu, &allowed)) cpu++;
    *(uint32_t *)user_data = CPU_COUNT(&allowed) == 1 ? cpu : UINT32_MAX;
    return 0;
}

static uint32_t cpu_of(const vgpu_pool_config *config, uint32_t *workers) {
    vgpu_pool *pool = NULL;
    uint32_t cpu = 0;
    REQUIRE(vgpu_pool_create(config, &pool) == VGPU_OK);
    *workers = vgpu_pool_num_workers(pool);
    CHECK_OK(vgpu_pool_submit(pool, note_cpu, &cpu, NULL, NULL));
    CHECK_OK(vgpu_pool_wait_all(pool));
    CHECK_OK(vgpu_pool_destroy(pool));
    return cpu;
}

static void chosen_cpus(void) {
    uint64_t words[64] = {0};
    vgpu_pool_config config;
    uint32_t workers = 0;
    const uint32_t cpu = first_cpu();
    section("a pool of one CPU");
    words[cpu / 64] = (uint64_t)1 << cpu % 64;
    vgpu_pool_config_init(&config);
    config.cpus = words;
    config.num_cpu_words = 64;
    CHECK(cpu_of(&config, &workers) == cpu);
    CHECK(workers == 1);
    /* Not pinned to a CPU of its own, and kept in the set all the same. */
    config.flags = VGPU_POOL_NO_PINNING;
    CHECK(cpu_of(&config, &workers) == cpu);
}

static void chosen_nodes(void) {
    uint32_t numbers[64];
    size_t count = 0;
    size_t i;
    section("a pool for each node");
    REQUIRE(vgpu_node_numbers(numbers, 64, &count) == VGPU_OK);
    for (i = 0; i < count; i++) {
        vgpu_pool_config config;
        vgpu_pool *pool = NULL;
        vgpu_status status;
        vgpu_pool_config_init(&config);
        config.nodes = &numbers[i];
        config.num_nodes = 1;
        config.min_remote_length = 4;
        status = vgpu_pool_create(&config, &pool);
        if (status == VGPU_OK) {
            CHECK(vgpu_pool_num_workers(pool) >= 1);
            CHECK_OK(vgpu_pool_destroy(pool));
        } else {
            /* A node of memory only. */
            CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, status);
            CHECK(strstr(vgpu_last_error_message(), "has no CPU") != NULL);
        }
    }
}

static void refused(const vgpu_pool_config *config, const char *says) {
    vgpu_pool *pool = (vgpu_pool *)&pool;
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_pool_create(config, &pool));
    CHECK(pool == NULL);
    CHECK(strstr(vgpu_last_error_message(), says) != NULL);
}

static void refusals(void) {
    static const uint64_t none[2] = {0, 0};
    static uint64_t beyond[1025];
    static const uint32_t unknown = 1023;
    vgpu_pool_config config;
    section("what cannot be chosen");
    beyond[1024] = 1;
    vgpu_pool_config_init(&config);
    config.nodes = &unknown;
    config.num_nodes = 1;
    refused(&config, "node 1023");
    config.num_nodes = 0;
    refused(&config, "a list of none");
    config.nodes = NULL;
    config.num_nodes = 2;
    refused(&config, "vgpu_pool_config.nodes");
    config.num_nodes = 0;
    config.num_cpu_words = 2;
    refused(&config, "vgpu_pool_config.cpus");
    config.cpus = none;
    refused(&config, "no CPUs");
    config.cpus = beyond;
    config.num_cpu_words = 1025;
    refused(&config, "CPU 65536");
    config.cpus = none;
    config.num_cpu_words = 2;
    config.flags = VGPU_POOL_ON_CALLER;
    refused(&config, "runs on its maker");
    vgpu_pool_config_init(&config);
    config.reserved = 1;
    refused(&config, "reserved");
}

int main(void) {
    chosen_cpus();
    chosen_nodes();
    refusals();
    return check_done();
}
