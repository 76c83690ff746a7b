/* Memory from a fast node, then other nodes, then disk: where blocks land, what the limits do, and what a full disk says. */
#define _GNU_SOURCE
#include <dirent.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

enum { MIB = 1 << 20 };
static char folder[] = "/tmp/vgpu-tiers-XXXXXX";
static uint32_t node;

static vgpu_tiers *make_tiers(uint64_t fast, uint64_t other, uint64_t disk) {
    vgpu_tiers *tiers = NULL;
    REQUIRE(vgpu_tiers_create(node, fast, other, disk, folder, &tiers) == VGPU_OK && tiers != NULL);
    return tiers;
}

static uint64_t used(const vgpu_tiers *tiers, uint32_t tier) {
    uint64_t bytes = 77;
    CHECK_OK(vgpu_tiers_used(tiers, tier, &bytes));
    return bytes;
}

/* How many names there are in the folder, and descriptors of this process. */
static int entries(const char *path) {
    DIR *listing = opendir(path);
    int count = 0;
    REQUIRE(listing != NULL);
    while (readdir(listing) != NULL) {
        count++;
    }
    closedir(listing);
    return count - 2;
}

static vgpu_tier_memory *take(vgpu_tiers *tiers, size_t bytes, uint32_t tier) {
    vgpu_tier_memory *memory = NULL;
    unsigned char *data;
    size_t i;
    CHECK_OK(vgpu_tiers_alloc(tiers, bytes, &memory));
    REQUIRE(memory != NULL);
    CHECK(vgpu_tier_memory_tier(memory) == tier);
    CHECK((vgpu_tier_memory_node(memory) == UINT32_MAX) == (tier == VGPU_TIER_DISK));
    data = vgpu_tier_memory_data(memory);
    CHECK((uintptr_t)data % (2u * MIB) == 0);
    for (i = 0; i < bytes; i += 512) {
        REQUIRE(data[i] == 0);
    }
    memset(data, (int)tier + 1, bytes);
    CHECK(data[bytes - 1] == tier + 1);
    return memory;
}

static void tiers_in_turn(void) {
    vgpu_tiers *tiers = make_tiers(3 * MIB, 0, 5 * MIB);
    vgpu_tier_memory *blocks[4], *none = (vgpu_tier_memory *)&tiers;
    int descriptors, i;
    section("the fast node, then the disk, then an error");
    descriptors = entries("/proc/self/fd");
    blocks[0] = take(tiers, 2 * MIB, VGPU_TIER_FAST);
    blocks[1] = take(tiers, 2 * MIB, VGPU_TIER_DISK);
    blocks[2] = take(tiers, 1 * MIB - 100, VGPU_TIER_FAST);
    blocks[3] = take(tiers, 3 * MIB, VGPU_TIER_DISK);
    CHECK(used(tiers, VGPU_TIER_FAST) == 3 * MIB && used(tiers, VGPU_TIER_OTHER_NODE) == 0 && used(tiers, VGPU_TIER_DISK) == 5 * MIB);
    CHECK_STATUS(VGPU_ERROR_OUT_OF_MEMORY, vgpu_tiers_alloc(tiers, 1, &none));
    CHECK(none == NULL && strstr(vgpu_last_error_message(), "limit") != NULL);
    CHECK(entries(folder) == 0 && entries("/proc/self/fd") == descriptors);
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_tiers_destroy(tiers));
    /* Each block kept what was written to it. */
    CHECK(*(char *)vgpu_tier_memory_data(blocks[0]) == 1 && *(char *)vgpu_tier_memory_data(blocks[3]) == 3);
    /* What is given back is given out again. */
    vgpu_tier_memory_release(blocks[0]);
    CHECK(used(tiers, VGPU_TIER_FAST) == MIB);
    blocks[0] = take(tiers, 2 * MIB, VGPU_TIER_FAST);
    for (i = 0; i < 4; i++) {
        vgpu_tier_memory_release(blocks[i]);
    }
    CHECK(used(tiers, VGPU_TIER_FAST) == 0 && used(tiers, VGPU_TIER_DISK) == 0);
    CHECK_OK(vgpu_tiers_destroy(tiers));
}

/* Where there are several nodes, the tier between. */
static void other_nodes(void) {
    uint32_t numbers[64];
    size_t count = 0;
    vgpu_tiers *tiers = make_tiers(0, 4 * MIB, 4 * MIB);
    vgpu_tier_memory *block;
    section("other nodes");
    REQUIRE(vgpu_node_numbers(numbers, 64, &count) == VGPU_OK);
    block = take(tiers, MIB, count > 1 ? VGPU_TIER_OTHER_NODE : VGPU_TIER_DISK);
    CHECK(vgpu_tier_memory_node(block) != node);
    vgpu_tier_memory_release(block);
    CHECK_OK(vgpu_tiers_destroy(tiers));
}

/* More than the machine has goes to the disk, if that has it. */
static void more_than_memory(void) {
    vgpu_tiers *tiers = make_tiers(UINT64_MAX, UINT64_MAX, 4 * MIB);
    vgpu_tier_memory *memory = NULL;
    section("more than there is");
    CHECK_STATUS(VGPU_ERROR_OUT_OF_MEMORY, vgpu_tiers_alloc(tiers, (size_t)1 << 46, &memory));
    CHECK_STATUS(VGPU_ERROR_OVERFLOW, vgpu_tiers_alloc(tiers, SIZE_MAX, &memory));
    CHECK(used(tiers, VGPU_TIER_FAST) == 0 && used(tiers, VGPU_TIER_OTHER_NODE) == 0 && used(tiers, VGPU_TIER_DISK) == 0);
    CHECK_OK(vgpu_tiers_destroy(tiers));
    tiers = make_tiers(0, 0, UINT64_MAX);
    CHECK_STATUS(VGPU_ERROR_IO, vgpu_tiers_alloc(tiers, (size_t)1 << 46, &memory));
    CHECK(memory == NULL && used(tiers, VGPU_TIER_DISK) == 0 && entries(folder) == 0);
    CHECK_OK(vgpu_tiers_destroy(tiers));
}

static void refused_requests(void) {
    vgpu_tiers *tiers = (vgpu_tiers *)folder;
    vgpu_tier_memory *memory = NULL;
    uint64_t bytes;
    section("bad requests");
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_tiers_create(1023, 1, 1, 1, folder, &tiers));
    CHECK(tiers == NULL && strstr(vgpu_last_error_message(), "1023") != NULL);
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_tiers_create(node, 1, 1, 1, NULL, &tiers));
    CHECK_STATUS(VGPU_ERROR_IO, vgpu_tiers_create(node, 1, 1, 1, "/nowhere", &tiers));
    CHECK_STATUS(VGPU_ERROR_IO, vgpu_tiers_create(node, 1, 1, 1, "/proc/self/stat", &tiers));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_tiers_create(node, 1, 1, 0, NULL, NULL));
    CHECK_OK(vgpu_tiers_create(node, 1, 1, 0, NULL, &tiers));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_tiers_alloc(tiers, 0, &memory));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_tiers_alloc(NULL, 1, &memory));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_tiers_alloc(tiers, 1, NULL));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_tiers_used(tiers, 3, &bytes));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_tiers_used(tiers, 0, NULL));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_tiers_used(NULL, 0, &bytes));
    CHECK_OK(vgpu_tiers_destroy(tiers));
    CHECK_OK(vgpu_tiers_destroy(NULL));
    vgpu_tier_memory_release(NULL);
    CHECK(vgpu_tier_memory_data(NULL) == NULL && vgpu_tier_memory_tier(NULL) == UINT32_MAX && vgpu_tier_memory_node(NULL) == UINT32_MAX);
}

/* A file system of 2 MiB, where this process may make one. */
static void full_disk(void) {
    vgpu_tiers *tiers = NULL;
    vgpu_tier_memory *memory = NULL, *small = NULL;
    section("a full disk");
    if (mount("tmpfs", folder, "tmpfs", 0, "size=2m") != 0) {
        printf("   skipped: this process may not mount\n");
        return;
    }
    tiers = make_tiers(0, 0, UINT64_MAX);
    small = take(tiers, MIB, VGPU_TIER_DISK);
    CHECK_STATUS(VGPU_ERROR_IO, vgpu_tiers_alloc(tiers, 2 * MIB, &memory));
    CHECK(memory == NULL && strstr(vgpu_last_error_message(), "errno 28") != NULL);
    CHECK(used(tiers, VGPU_TIER_DISK) == MIB);
    /* What did not fit left nothing behind. */
    CHECK_OK(vgpu_tiers_alloc(tiers, MIB, &memory));
    vgpu_tier_memory_release(memory);
    vgpu_tier_memory_release(small);
    CHECK_OK(vgpu_tiers_destroy(tiers));
    REQUIRE(umount(folder) == 0);
}

/* In a child, since the limit stays. Without the library's look it would be ended by a signal. */
static void largest_file(void) {
    pid_t child;
    int status = -1;
    section("a process that may write small files only");
    child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        const struct rlimit limit = {MIB, MIB};
        vgpu_tiers *tiers = make_tiers(0, 0, UINT64_MAX);
        vgpu_tier_memory *memory = NULL;
        REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
        CHECK_STATUS(VGPU_ERROR_IO, vgpu_tiers_alloc(tiers, 2 * MIB, &memory));
        CHECK(memory == NULL && strstr(vgpu_last_error_message(), "RLIMIT_FSIZE") != NULL);
        CHECK_OK(vgpu_tiers_alloc(tiers, MIB, &memory));
        vgpu_tier_memory_release(memory);
        CHECK_OK(vgpu_tiers_destroy(tiers));
        _exit(check_failures);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static void *take_and_release(void *data) {
    vgpu_tiers *tiers = data;
    int i;
    for (i = 0; i < 50; i++) {
        vgpu_tier_memory *memory = NULL;
        if (vgpu_tiers_alloc(tiers, 300000, &memory) == VGPU_OK) {
            memset(vgpu_tier_memory_data(memory), 1, 300000);
            if (used(tiers, VGPU_TIER_DISK) > 2 * MIB || used(tiers, VGPU_TIER_FAST) > MIB) {
                return tiers;
            }
        }
        vgpu_tier_memory_release(memory);
    }
    return NULL;
}

static void several_threads(void) {
    vgpu_tiers *tiers = make_tiers(MIB, 0, 2 * MIB);
    pthread_t threads[4];
    int i;
    section("several threads");
    for (i = 0; i < 4; i++) {
        REQUIRE(pthread_create(&threads[i], NULL, take_and_release, tiers) == 0);
    }
    for (i = 0; i < 4; i++) {
        void *wrong = tiers;
        CHECK(pthread_join(threads[i], &wrong) == 0 && wrong == NULL);
    }
    CHECK(used(tiers, VGPU_TIER_FAST) == 0 && used(tiers, VGPU_TIER_DISK) == 0);
    CHECK_OK(vgpu_tiers_destroy(tiers));
}

int main(void) {
    size_t count = 0;
    REQUIRE(mkdtemp(folder) != NULL && vgpu_node_numbers(&node, 1, &count) == VGPU_OK);
    tiers_in_turn();
    other_nodes();
    more_than_memory();
    refused_requests();
    full_disk();
    largest_file();
    several_threads();
    REQUIRE(rmdir(folder) == 0);
    return check_done();
}
