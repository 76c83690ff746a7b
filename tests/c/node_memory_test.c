/* Memory on NUMA nodes, and the threads that allocate it, from C. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

static void good_requests(void) {
    uint32_t numbers[64];
    size_t count = 0;
    size_t i;
    section("memory on every node");
    REQUIRE(vgpu_node_numbers(numbers, 64, &count) == VGPU_OK);
    REQUIRE(count >= 1 && count <= 64);
    for (i = 0; i < count; i++) {
        uint32_t flags;
        for (flags = 0; flags < 2; flags++) {
            void *memory[2] = {NULL, NULL};
            int which;
            CHECK_OK(vgpu_node_alloc(5000000, numbers[i], flags, &memory[0]));
            CHECK_OK(vgpu_numa_alloc(NULL, 5000000, numbers[i], flags, 0, &memory[1]));
            for (which = 0; which < 2; which++) {
                vgpu_node_report report;
                report.struct_size = (uint32_t)sizeof report;
                REQUIRE(memory[which] != NULL);
                CHECK((uintptr_t)memory[which] % (2u << 20) == 0);
                CHECK(((char *)memory[which])[4999999] == 0);
                memset(memory[which], 1, 5000000);
                CHECK_OK(vgpu_node_report_get(memory[which], &report));
                CHECK(report.pages * report.page_bytes >= 5000000);
                CHECK(report.pages_absent == 0);
                CHECK(report.pages_there + report.pages_elsewhere + report.pages_unknown == report.pages);
                if (report.verified_by != VGPU_VERIFIED_BY_NOBODY) {
                    CHECK(report.pages_there == report.pages && report.spill_node == UINT32_MAX);
                }
                CHECK_OK(vgpu_node_free(memory[which]));
            }
        }
    }
    {
        void *memory = NULL;
        vgpu_node_report report;
        /* An old program knows the first fields only, and the rest of its memory stays as it is. */
        memset(&report, 0x5a, sizeof report);
        report.struct_size = 8;
        CHECK_OK(vgpu_node_alloc_interleaved(5000000, 0, &memory));
        CHECK_OK(vgpu_node_report_get(memory, &report));
        CHECK(report.node == UINT32_MAX && report.verified_by == 0x5a5a5a5a);
        CHECK_OK(vgpu_node_free(memory));
        CHECK_OK(vgpu_node_free(NULL));
    }
    {
        char *own = malloc(100000);
        vgpu_status status = vgpu_node_bind(own, 100000, numbers[0]);
        CHECK(status == VGPU_OK || status == VGPU_ERROR_UNSUPPORTED);
        free(own);
    }
}

static void bad_requests(void) {
    uint32_t node = 0;
    size_t count = 0;
    void *memory = &count;
    vgpu_node_report report;
    char inside[8];
    section("bad requests");
    REQUIRE(vgpu_node_numbers(&node, 1, &count) == VGPU_OK);
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_node_numbers(NULL, 1, &count));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_node_numbers(NULL, 0, NULL));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_node_alloc(0, node, 0, &memory));
    CHECK(memory == NULL);
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_node_alloc(1, node, 0, NULL));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_node_alloc(1, 1023, 0, &memory));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_node_alloc(1, node, 64, &memory));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_node_alloc(1, node, VGPU_NODE_STRICT | VGPU_NODE_NO_TOUCH, &memory));
    CHECK_STATUS(VGPU_ERROR_OUT_OF_MEMORY, vgpu_node_alloc((size_t)1 << 40, node, 0, &memory));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_node_alloc_interleaved(0, 0, &memory));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_numa_alloc(NULL, 0, node, 0, 0, &memory));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_numa_alloc(NULL, 1, 1023, 0, 0, &memory));
    CHECK_STATUS(VGPU_ERROR_OUT_OF_MEMORY, vgpu_numa_alloc(NULL, (size_t)1 << 40, node, 0, 0, &memory));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_node_free(inside + ((uintptr_t)inside % 2 == 0)));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_node_bind(NULL, 1, node));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_node_bind(inside, 0, node));
    CHECK_OK(vgpu_node_alloc(1, node, 0, &memory));
    report.struct_size = 0;
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_node_report_get(memory, &report));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_node_report_get(memory, NULL));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_node_report_get(NULL, &report));
    CHECK_OK(vgpu_node_free(memory));
}

/* The pages of this process that take memory. */
static long resident_pages(void) {
    long all = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    REQUIRE(file != NULL && fscanf(file, "%ld %ld", &all, &resident) == 2);
    fclose(file);
    return resident;
}

static void a_pool_of_its_own(void) {
    vgpu_numa_pool *pool = NULL;
    uint32_t node = 0;
    size_t count = 0;
    void *memory = NULL;
    int i;
    int timeouts = 0;
    long before;
    section("a pool of its own, and requests that do not wait");
    REQUIRE(vgpu_node_numbers(&node, 1, &count) == VGPU_OK);
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_numa_pool_create(NULL));
    CHECK_OK(vgpu_numa_pool_destroy(NULL));
    REQUIRE(vgpu_numa_pool_create(&pool) == VGPU_OK);
    before = resident_pages();
    for (i = 0; i < 8; i++) {
        vgpu_status status = vgpu_numa_alloc(pool, (size_t)100 << 20, node, 0, 1, &memory);
        if (status == VGPU_OK) {
            CHECK_OK(vgpu_node_free(memory));
        } else {
            CHECK_STATUS(VGPU_ERROR_TIMED_OUT, status);
            CHECK(memory == NULL);
            timeouts++;
        }
    }
    printf("   %d of 8 requests gave up after a millisecond\n", timeouts);
    /* Busy still, perhaps. */
    CHECK(timeouts > 0);
    CHECK_OK(vgpu_numa_pool_destroy(pool));
    /* What was made for those who had gone is given back: not one of the 100 MiB is left. */
    CHECK((resident_pages() - before) * 4096 < 90L << 20);
}

static void pinned(void) {
    vgpu_pinned *memory = NULL;
    uint32_t node = 0;
    section("pinned memory");
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_pinned_create(NULL, 0, 0, 0, 0, &memory));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_pinned_create(NULL, 1, 0, 2, 0, &memory));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_pinned_create(NULL, 1, 0, 0, 0, NULL));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_numa_node_of_slot(NULL, "no address", &node));
    CHECK_STATUS(VGPU_ERROR_IO, vgpu_numa_node_of_slot(NULL, "ffff:ff:1f.7", &node));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_numa_node_of_slot(NULL, NULL, &node));
    if (vgpu_pinned_create(NULL, 10000, 0, 0, 0, &memory) == VGPU_OK) {
        memset(vgpu_pinned_data(memory), 1, 10000);
        printf("   there is a GPU, near node %u\n", (unsigned)vgpu_pinned_node(memory));
    } else {
        CHECK(memory == NULL);
        printf("   %s\n", vgpu_last_error_message());
    }
    vgpu_pinned_release(memory);
    vgpu_pinned_release(NULL);
    CHECK(vgpu_pinned_data(NULL) == NULL && vgpu_pinned_node(NULL) == UINT32_MAX);
}

int main(void) {
    good_requests();
    bad_requests();
    a_pool_of_its_own();
    pinned();
    return check_done();
}
