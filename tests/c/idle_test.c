/* An idle pool uses no CPU: under 5 ms in 5 seconds, after it has worked. */
#define _GNU_SOURCE
#include <sys/resource.h>

#include "check.h"

static double cpu_seconds(void) {
    struct rusage usage;
    REQUIRE(getrusage(RUSAGE_SELF, &usage) == 0);
    return (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
           1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

int main(void) {
    vgpu_pool *pool = NULL;
    int counter = 0;
    double before;
    double used;
    int i;
    section("an idle pool for 5 seconds");
    REQUIRE(vgpu_pool_create(NULL, &pool) == VGPU_OK);
    for (i = 0; i < 1000; i++) {
        REQUIRE(vgpu_pool_submit(pool, count_task, &counter, NULL, NULL) == VGPU_OK);
    }
    CHECK_OK(vgpu_pool_wait_all(pool));
    sleep_ms(200); /* workers that have just run out of work may look for more, for a bounded time */
    before = cpu_seconds();
    sleep_ms(5000);
    used = cpu_seconds() - before;
    printf("   %.3f ms of CPU in 5 s, %u workers\n", used * 1e3, (unsigned)vgpu_pool_num_workers(pool));
    CHECK(used < 0.005);
    CHECK_OK(vgpu_pool_destroy(pool));
    return check_done();
}
