/* The loader: a program that is not linked with the library opens it, or learns why it cannot. */
#define _GNU_SOURCE
#define VGPU_POOL_LOADER_IMPLEMENTATION
#define VGPU_POOL_LOADER_FUNCTIONS
#include <vgpu_pool_loader.h>

#include "check.h"

#include <limits.h>
#include <link.h>
#include <unistd.h>

static char library[PATH_MAX + 64];
static char why[256];

/* The library lies in ../lib, seen from this program. */
static void find_library(void) {
    char here[PATH_MAX];
    const ssize_t length = readlink("/proc/self/exe", here, sizeof here - 1);
    REQUIRE(length > 0);
    here[length] = '\0';
    *strrchr(here, '/') = '\0';
    snprintf(library, sizeof library, "%s/../lib/libvgpu_pool.so.1", here);
}

static int is_ours(struct dl_phdr_info *info, size_t size, void *found) {
    (void)size;
    if (strstr(info->dlpi_name, "libvgpu_pool") != NULL) *(int *)found = 1;
    return 0;
}

static int is_mapped(void) {
    int found = 0;
    dl_iterate_phdr(is_ours, &found);
    return found;
}

static void before_loading(void) {
    vgpu_pool *pool = NULL;
    section("before loading: a status and a sentence, and no crash");
    CHECK(!is_mapped());
    CHECK(vgpu_pool_loaded.pool_create == NULL);
    CHECK_STATUS(VGPU_ERROR_UNSUPPORTED, vgpu_pool_create(NULL, &pool));
    CHECK(strstr(vgpu_last_error_message(), "vgpu_pool_load") != NULL);
    CHECK(strcmp(vgpu_status_name(VGPU_ERROR_UNSUPPORTED), "VGPU_ERROR_UNSUPPORTED") == 0);
    CHECK(vgpu_pool_num_workers(NULL) == 0 && vgpu_version_string()[0] == '\0');
    CHECK(vgpu_pool_current_worker(NULL) == NULL);
}

static void *find_all_but(void *context, const char *name) {
    return strcmp(name, context) == 0 ? NULL : dlsym(RTLD_DEFAULT, "puts");
}

static uint32_t other_abi(void) {
    return VGPU_ABI_VERSION + 1;
}

static void *find_other_abi(void *context, const char *name) {
    uint32_t (*const function)(void) = other_abi;
    void *found = context;
    (void)name;
    memcpy(&found, &function, sizeof found);
    return found;
}

static void refusals(void) {
    char tiny[8];
    section("a library that is not there, that is another, that has another ABI");
    why[0] = '\0';
    CHECK(vgpu_pool_load("/nowhere/libvgpu_pool.so.1", why, sizeof why) == -1);
    CHECK(strstr(why, "/nowhere/libvgpu_pool.so.1") != NULL);
    CHECK(vgpu_pool_load("/nowhere/libvgpu_pool.so.1", NULL, 0) == -1);
    CHECK(vgpu_pool_load("/nowhere/libvgpu_pool.so.1", tiny, sizeof tiny) == -1 && strlen(tiny) == 7);
    CHECK(vgpu_pool_load("libm.so.6", why, sizeof why) == -1);
    CHECK(strstr(why, "vgpu_") != NULL);
    CHECK(vgpu_pool_load_with(find_all_but, "vgpu_future_release", why, sizeof why) == -1);
    CHECK(strstr(why, "vgpu_future_release") != NULL);
    CHECK(vgpu_pool_load_with(find_other_abi, NULL, why, sizeof why) == -1);
    CHECK(strstr(why, "ABI 2") != NULL);
    /* The environment is asked if no path is given. */
    CHECK(setenv("VGPU_POOL_LIBRARY", "/nowhere/either.so", 1) == 0);
    CHECK(vgpu_pool_load(NULL, why, sizeof why) == -1 && strstr(why, "/nowhere/either.so") != NULL);
    CHECK(vgpu_pool_loaded.pool_create == NULL);
}

static void use(void) {
    vgpu_pool_config config;
    vgpu_pool *pool = NULL;
    vgpu_future *future = NULL;
    int ran = 0;
    section("by the environment; the table and the functions");
    CHECK(setenv("VGPU_POOL_LIBRARY", library, 1) == 0);
    REQUIRE(vgpu_pool_load(NULL, why, sizeof why) == 0);
    CHECK(is_mapped());
    CHECK(vgpu_pool_loaded.abi_version() == VGPU_ABI_VERSION);
    vgpu_pool_config_init(&config);
    config.num_workers = 2;
    CHECK_OK(vgpu_pool_loaded.pool_create(&config, &pool));
    CHECK_OK(vgpu_pool_submit(pool, count_task, &ran, NULL, &future));
    CHECK_OK(vgpu_future_get(future, NULL));
    CHECK_OK(vgpu_pool_loaded.future_release(future));
    CHECK_OK(vgpu_pool_destroy(pool));
    CHECK(ran == 1);
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_pool_create(NULL, NULL));
    section("a second time, by its path");
    CHECK(vgpu_pool_load(library, why, sizeof why) == 0);
}

int main(void) {
    find_library();
    before_loading();
    refusals();
    use();
    return check_done();
}
