# Builds the C library, its examples and its tests. `make help` lists the targets.
#
# Plain `cargo build` makes the Rust library. The C library is made here: cargo gives a static library, and the C compiler links
# the shared one from it, because rustc's own link step drops symbol versions without a word.

CARGO   ?= cargo
CC      ?= cc
CXX     ?= c++
PREFIX  ?= /usr/local
LIBDIR  ?= lib
DESTDIR ?=
# Where things are built. Everything a target makes lies under it.
TARGET  := $(or $(CARGO_TARGET_DIR),target)

# The ABI's number is in the SONAME. The file's other two numbers are the crate's, so that a newer file sorts last.
ABI     := 1
VERSION := $(shell sed -n 's/^version = "\([0-9.]*\).*"/\1/p' Cargo.toml | head -n 1)
MAJOR   := $(word 1,$(subst ., ,$(VERSION)))
MINOR   := $(word 2,$(subst ., ,$(VERSION)))
PATCH   := $(word 3,$(subst ., ,$(VERSION)))
SONAME  := libvgpu_pool.so.$(ABI)
REAL    := $(SONAME).$(MINOR).$(PATCH)
OUT     := $(TARGET)/lib
RUST_A  := $(TARGET)/release/libvgpu_pool.a
HEADER  := include/vgpu_pool.h
HEADERS := $(HEADER) include/vgpu_pool_loader.h include/vgpu_pool.hpp $(wildcard include/vgpu_pool/*.hpp include/vgpu_pool/adapters/*)

CMAKE_FILES := vgpu_pool-config.cmake vgpu_pool-config-version.cmake

# $(TARGET) itself is laid out like an installation: $(TARGET)/include, $(TARGET)/lib, $(TARGET)/lib/pkgconfig.
LIBRARY := $(OUT)/$(REAL) $(OUT)/$(SONAME) $(OUT)/libvgpu_pool.so $(OUT)/libvgpu_pool.a \
           $(OUT)/pkgconfig/vgpu_pool.pc $(CMAKE_FILES:%=$(OUT)/cmake/vgpu_pool/%) $(addprefix $(TARGET)/,$(HEADERS))

# -u pulls each exported function out of the static library; the version script hides everything else.
# nodelete: threads may still run library code when a plugin host calls dlclose. defs: no symbol is left to chance.
LINK = -shared -static-libgcc -Wl,-soname,$(SONAME) -Wl,--version-script=abi/vgpu_pool.map \
       $(addprefix -Wl$(comma)-u$(comma),$(shell cat abi/exports.txt)) \
       -Wl,-z,nodelete -Wl,-z,now -Wl,-z,relro -Wl,-z,defs -Wl,-z,noexecstack \
       -Wl,--gc-sections -Wl,--as-needed -Wl,--build-id
comma := ,

WARNINGS   := -Wall -Wextra -Wpedantic -Wshadow -Wconversion
CFLAGS     ?= -O2 -g
CXXFLAGS   ?= -O2 -g
C_STD      ?= -std=c99
CXX_STD    ?= -std=c++11
EX         := $(TARGET)/examples-c
EXAMPLES   := $(EX)/hello $(EX)/graph $(EX)/gemm $(EX)/npy_gemm $(EX)/lfsr $(EX)/exceptions
# Found beside the program, wherever the folder is moved.
RPATH       = -Wl,-rpath,'$$ORIGIN/../lib'
USE_LIB     = -L$(OUT) -lvgpu_pool $(RPATH)

C_TESTS      := $(patsubst tests/c/%.c,%,$(wildcard tests/c/*_test.c)) $(patsubst tests/cpp/%.cpp,cpp_%,$(wildcard tests/cpp/*_test.cpp))
TESTS_DIR    := $(TARGET)/tests-c
ASAN_DIR     := $(TARGET)/tests-asan
SANITIZE     := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
SANITIZE_ENV := ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1:abort_on_error=0

.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: all help lib wheel sdist examples demo test test-c test-shim test-python shim asan valgrind valgrind-all verify verify-check deletions tsan miri asan-rust soak numa-vm numa-vm-large test-aarch64 mpi-example bench bench-quick header install uninstall \
        setup clean FORCE

all: lib shim examples

help:
	@echo 'make lib        the shared and the static library, in $(OUT)'
	@echo 'make shim       libvgpu_blas.so, which gives our matrix products the names of BLAS, in $(OUT)'
	@echo 'make examples   the programs of examples-c/, in $(EX)'
	@echo 'make demo       on a fresh machine: installs what is missing, builds, multiplies real matrices, says what it did'
	@echo 'make wheel      the Python package vgpu_runtime with the library inside, in $(WHEELS); make sdist: its sources'
	@echo 'make test       every check there is'
	@echo 'make test-c     the C tests alone'
	@echo 'make test-shim  libvgpu_blas.so: its C test, and NumPy on it'
	@echo 'make test-python  the Python package: built, installed into an environment of its own, tested there'
	@echo 'make test-adapters  the adapters for other libraries, with the headers that the system has'
	@echo 'make test-adapter-hosts  Box2D, Jolt, PhysX tasks and oneDNN built from the crates that carry them, and run on a pool; 40 minutes at first'
	@echo '                HOSTS="box2d physx" takes some of them: these build in a minute'
	@echo 'make asan       the C tests under AddressSanitizer and UndefinedBehaviorSanitizer'
	@echo 'make valgrind   the C examples, and the C and C++ tests that are not long, under valgrind; make valgrind-all: every one'
	@echo 'make verify     the models under loom and shuttle; prints what they found, writes verification/README.md'
	@echo '                VERIFY_DEEP=1 make verify is the long version, which writes nothing'
	@echo 'make deletions  deletes each fence, look and wake-up in turn, and asks that a model falls'
	@echo 'make tsan       the Rust tests under ThreadSanitizer'
	@echo 'make miri       the Rust tests under Miri'
	@echo 'make asan-rust  the Rust tests under AddressSanitizer; all three need a nightly toolchain and say what is missing'
	@echo 'make soak       10^9 operations on the deque and as many on the queue, on real threads'
	@echo 'make numa-vm    boots guests with several NUMA nodes under QEMU and runs our tests in them'
	@echo 'make numa-vm-large  one guest of 96 CPUs on 16 nodes; minutes'
	@echo 'make test-aarch64  the Rust tests cross-built for 64-bit Arm, under qemu-user'
	@echo 'make mpi-example  a product over the ranks of Open MPI, on 1 to 4 of them; installs Open MPI where it is missing'
	@echo 'make bench      this pool beside its peers, an hour on a quiet machine; tables and plots in $(TARGET)/report'
	@echo 'make bench-quick  the same in a minute, to see that it works'
	@echo 'make header     writes include/vgpu_pool.h and abi/exports.txt from src/capi/'
	@echo 'make install    PREFIX=$(PREFIX) LIBDIR=$(LIBDIR) DESTDIR=$(DESTDIR)'
	@echo 'make deb        two Debian packages, in $(TARGET)/deb'
	@echo 'make docs       the manual as HTML and man pages, in $(TARGET)/docs'
	@echo 'make fuzz       ten minutes of calls of the C API in any order, under AddressSanitizer; needs a nightly toolchain'
	@echo 'make fuzz-plant plants a bug in a copy, and asks that fuzzing finds it'
	@echo 'make abi        the binary interface against the one in abi/; fails on a break'
	@echo 'make abi-update writes abi/ anew, after an intended change'
	@echo 'make uninstall  takes away what install put there'
	@echo 'make setup      installs the compilers and tools that demo and test need, with apt'
	@echo 'make clean      removes what make built, and keeps what cargo built'

# ---- the library ----

lib: $(LIBRARY)

# cargo knows better than make what has changed; when it leaves the file alone, nothing after it is done again.
# Under sudo there may be no cargo: then what was built before is used.
$(RUST_A): FORCE
	@if command -v $(CARGO) >/dev/null; then \
	    $(CARGO) rustc --release --locked --lib --crate-type staticlib --features capi; \
	elif test -f $@; then \
	    echo 'note: no cargo here, using $@ as it is'; \
	else \
	    echo 'there is no cargo: install Rust from https://rustup.rs' >&2; exit 1; \
	fi

$(OUT)/$(REAL): $(RUST_A) abi/vgpu_pool.map abi/exports.txt Makefile
	@mkdir -p $(@D)
	$(CC) -o $@ $(LINK) $(RUST_A) -lpthread -lm -ldl -lc

$(OUT)/$(SONAME): $(OUT)/$(REAL)
	@ln -sf $(REAL) $@

$(OUT)/libvgpu_pool.so: $(OUT)/$(SONAME)
	@ln -sf $(SONAME) $@

$(OUT)/libvgpu_pool.a: $(RUST_A)
	@mkdir -p $(@D)
	@cp $< $@

# What pkg-config and CMake read. $(1) is the folder of libraries, $(2) that of the file: the path up from there to the prefix
# depends on how deep they are.
DESCRIBE = sed -e 's|@VERSION@|$(VERSION)|' -e 's|@MAJOR@|$(MAJOR)|' -e 's|@SONAME@|$(SONAME)|' -e 's|@REAL@|$(REAL)|' \
           -e 's|@LIBDIR@|$(1)|' -e "s|@UP@|$$(echo '$(2)' | sed 's|[^/][^/]*|..|g')|"

$(OUT)/pkgconfig/vgpu_pool.pc: abi/vgpu_pool.pc.in Cargo.toml Makefile
	@mkdir -p $(@D)
	@$(call DESCRIBE,lib,lib/pkgconfig) $< > $@

$(OUT)/cmake/vgpu_pool/%.cmake: abi/%.cmake.in Cargo.toml Makefile
	@mkdir -p $(@D)
	@$(call DESCRIBE,lib,lib/cmake/vgpu_pool) $< > $@

$(TARGET)/include/%: include/%
	@mkdir -p $(@D)
	@cp $< $@

# ---- the BLAS names ----

# Another library, so that nobody gets these names who did not ask for them. It finds ours beside itself.
SHIM      := $(OUT)/libvgpu_blas.so
SHIM_LINK := -shared -fPIC -fvisibility=hidden -Wl,-soname,libvgpu_blas.so -Wl,-z,nodelete -Wl,-z,now -Wl,-z,relro -Wl,-z,defs \
             -Wl,-z,noexecstack -Wl,-rpath,'$$ORIGIN' -L$(OUT) -lvgpu_pool -lpthread -ldl

shim: $(SHIM)

$(SHIM): shim/vgpu_blas.c $(LIBRARY)
	$(CC) $(C_STD) $(WARNINGS) $(CFLAGS) -I$(TARGET)/include -o $@ $< $(SHIM_LINK)

$(TESTS_DIR)/blas_test: tests/blas/blas_test.c tests/c/check.h $(SHIM)
	@mkdir -p $(@D)
	@$(COMPILE_C) -Werror -rdynamic -o $@ $< -L$(OUT) -lvgpu_blas -lvgpu_pool $(RPATH) -lpthread

test-shim: $(TESTS_DIR)/blas_test
	@scripts/blas_test.sh $(OUT)/libvgpu_blas.so $<

# ---- the Python package ----

PYTHON ?= python3
WHEELS := $(TARGET)/wheels

wheel: lib
	@rm -f $(WHEELS)/*.whl
	@VGPU_POOL_LIBRARY='$(abspath $(OUT)/$(SONAME))' $(PYTHON) python/build_backend.py wheel $(WHEELS)

sdist:
	@$(PYTHON) python/build_backend.py sdist $(WHEELS)

test-python:
	@scripts/python_test.sh

header:
	VGPU_UPDATE_HEADER=1 $(CARGO) test --locked --quiet --test header

install: lib shim
	install -d '$(DESTDIR)$(PREFIX)/include/vgpu_pool/adapters' '$(DESTDIR)$(PREFIX)/$(LIBDIR)/pkgconfig' '$(DESTDIR)$(PREFIX)/$(LIBDIR)/cmake/vgpu_pool'
	for header in $(HEADERS); do install -m 644 $$header '$(DESTDIR)$(PREFIX)/'$$header || exit; done
	install -m 755 $(OUT)/$(REAL) '$(DESTDIR)$(PREFIX)/$(LIBDIR)/$(REAL)'
	ln -sf $(REAL) '$(DESTDIR)$(PREFIX)/$(LIBDIR)/$(SONAME)'
	ln -sf $(SONAME) '$(DESTDIR)$(PREFIX)/$(LIBDIR)/libvgpu_pool.so'
	install -m 755 $(SHIM) '$(DESTDIR)$(PREFIX)/$(LIBDIR)/libvgpu_blas.so'
	install -m 644 $(OUT)/libvgpu_pool.a '$(DESTDIR)$(PREFIX)/$(LIBDIR)/libvgpu_pool.a'
	@$(call DESCRIBE,$(LIBDIR),$(LIBDIR)/pkgconfig) abi/vgpu_pool.pc.in > '$(DESTDIR)$(PREFIX)/$(LIBDIR)/pkgconfig/vgpu_pool.pc'
	@for file in $(CMAKE_FILES); do \
	    $(call DESCRIBE,$(LIBDIR),$(LIBDIR)/cmake/vgpu_pool) abi/$$file.in > '$(DESTDIR)$(PREFIX)/$(LIBDIR)/cmake/vgpu_pool/'$$file || exit; \
	done
	@echo 'Installed. Where $(PREFIX)/$(LIBDIR) is one of the system loader'"'"'s folders, run ldconfig once.'

uninstall:
	for header in $(HEADERS); do rm -f '$(DESTDIR)$(PREFIX)/'$$header; done
	rmdir '$(DESTDIR)$(PREFIX)/include/vgpu_pool/adapters' '$(DESTDIR)$(PREFIX)/include/vgpu_pool' 2>/dev/null || true
	rm -f '$(DESTDIR)$(PREFIX)/$(LIBDIR)/pkgconfig/vgpu_pool.pc'
	rm -rf '$(DESTDIR)$(PREFIX)/$(LIBDIR)/cmake/vgpu_pool'
	rm -f '$(DESTDIR)$(PREFIX)/$(LIBDIR)/'libvgpu_pool.a '$(DESTDIR)$(PREFIX)/$(LIBDIR)/'libvgpu_blas.so '$(DESTDIR)$(PREFIX)/$(LIBDIR)/'libvgpu_pool.so \
	    '$(DESTDIR)$(PREFIX)/$(LIBDIR)/$(SONAME)' '$(DESTDIR)$(PREFIX)/$(LIBDIR)/$(SONAME).'*

.PHONY: deb abi abi-update test-adapters test-adapter-hosts docs fuzz fuzz-plant
# Two Debian packages, in $(TARGET)/deb.
deb: lib
	@scripts/deb.sh $(TARGET)/deb

abi:
	@scripts/abi.sh check

# After an intended change, in the same commit.
abi-update:
	@scripts/abi.sh update

# The manual, in $(TARGET)/docs.
docs:
	@scripts/docs.sh $(abspath $(TARGET))/docs

# Ten minutes of calls in any order; FUZZ_SECONDS says otherwise.
FUZZ_SECONDS ?= 600
fuzz:
	@scripts/fuzz.sh $(FUZZ_SECONDS)

fuzz-plant:
	@scripts/fuzz.sh plant

# ---- the examples ----

examples: $(EXAMPLES)

COMPILE_C   = $(CC) $(C_STD) $(WARNINGS) $(CFLAGS) -I$(TARGET)/include
COMPILE_CXX = $(CXX) $(CXX_STD) $(WARNINGS) $(CXXFLAGS) -I$(TARGET)/include

$(EX)/hello: examples-c/hello.c $(LIBRARY)
	@mkdir -p $(@D)
	$(COMPILE_C) -o $@ $< $(USE_LIB)

$(EX)/graph: examples-c/graph.c $(LIBRARY)
	@mkdir -p $(@D)
	$(COMPILE_C) -o $@ $< $(USE_LIB) -lm

$(EX)/gemm: examples-c/gemm.c examples-c/peak.c examples-c/peak.h $(LIBRARY)
	@mkdir -p $(@D)
	$(COMPILE_C) -o $@ examples-c/gemm.c examples-c/peak.c $(USE_LIB) -ldl -lpthread -lm

$(EX)/npy_gemm: examples-c/npy_gemm.c examples-c/npy.c examples-c/npy.h $(LIBRARY)
	@mkdir -p $(@D)
	$(COMPILE_C) -o $@ examples-c/npy_gemm.c examples-c/npy.c $(USE_LIB)

# Its progress is an atomic counter, which C has since C11.
$(EX)/lfsr: examples-c/lfsr.c $(LIBRARY)
	@mkdir -p $(@D)
	$(CC) -std=c11 $(WARNINGS) $(CFLAGS) -I$(TARGET)/include -o $@ $< $(USE_LIB)

$(EX)/exceptions: examples-c/exceptions.cpp $(LIBRARY)
	@mkdir -p $(@D)
	$(COMPILE_CXX) -o $@ $< $(USE_LIB)

# With Open MPI, which is not needed for anything else.
MPICC ?= mpicc
MPI_SUMMA := $(addprefix examples-c/mpi_,summa.c check.c place.c)

$(EX)/mpi_summa: $(MPI_SUMMA) examples-c/mpi_summa.h examples-c/mpi_place.h $(LIBRARY)
	@mkdir -p $(@D)
	OMPI_CC='$(CC)' $(MPICC) $(C_STD) $(WARNINGS) $(CFLAGS) -I$(TARGET)/include -o $@ $(MPI_SUMMA) $(USE_LIB) -lm

mpi-example:
	@scripts/mpi_test.sh $(EX)/mpi_summa

# ---- the tests ----

test-c: $(addprefix $(TESTS_DIR)/,$(C_TESTS))
	@scripts/run_c_tests.sh $^

asan: $(addprefix $(ASAN_DIR)/,$(C_TESTS))
	@$(SANITIZE_ENV) scripts/run_c_tests.sh $^

$(TESTS_DIR)/%_test: tests/c/%_test.c $(wildcard tests/c/*.h) $(LIBRARY)
	@mkdir -p $(@D)
	@$(COMPILE_C) -Werror -o $@ $< $(USE_LIB) -lpthread -lm -ldl

$(ASAN_DIR)/%_test: tests/c/%_test.c $(wildcard tests/c/*.h) $(LIBRARY)
	@mkdir -p $(@D)
	@$(CC) $(C_STD) $(WARNINGS) -Werror $(SANITIZE) -I$(TARGET)/include -o $@ $< $(USE_LIB) -lpthread -lm -ldl

# The loader's tests are not linked with the library.
%loader_test: USE_LIB := -ldl

# The C++ header needs C++17; its coroutines C++20.
CXX_TEST_STD                    := -std=c++17
%/cpp_coroutine_test: CXX_TEST_STD := -std=c++20
%/cpp_no_exceptions_test: CXX_TEST_STD := -std=c++17 -fno-exceptions -fno-rtti

$(TESTS_DIR)/cpp_%_test: tests/cpp/%_test.cpp $(wildcard tests/cpp/*.hpp) $(LIBRARY)
	@mkdir -p $(@D)
	@$(CXX) $(CXX_TEST_STD) $(WARNINGS) -Werror $(CXXFLAGS) -I$(TARGET)/include -o $@ $< $(USE_LIB) -lpthread

$(ASAN_DIR)/cpp_%_test: tests/cpp/%_test.cpp $(wildcard tests/cpp/*.hpp) $(LIBRARY)
	@mkdir -p $(@D)
	@$(CXX) $(CXX_TEST_STD) $(WARNINGS) -Werror $(SANITIZE) -I$(TARGET)/include -o $@ $< $(USE_LIB) -lpthread

# The adapters, with the headers of their hosts where the system has them; the others with stand-ins.
ADAPTER_TESTS := standins standins_alone \
    $(if $(wildcard /usr/include/eigen3/unsupported/Eigen/CXX11/ThreadPool),eigen) $(if $(wildcard /usr/include/asio/post.hpp),asio) \
    $(if $(wildcard /usr/include/oneapi/dnnl/dnnl_threadpool_iface.hpp),onednn)

test-adapters: $(ADAPTER_TESTS:%=$(TESTS_DIR)/adapter_%_test)
	@scripts/run_c_tests.sh $^

COMPILE_ADAPTER = @mkdir -p $(@D); $(CXX) -std=c++17 $(WARNINGS) -Werror -O1 -I$(TARGET)/include -Itests/adapters/standins \
                  -isystem /usr/include/eigen3 -o $@ $< $(USE_LIB) -lpthread

$(TESTS_DIR)/adapter_%_test: tests/adapters/%_test.cpp $(wildcard tests/adapters/*.hpp tests/cpp/*.hpp) $(LIBRARY)
	$(COMPILE_ADAPTER)

$(TESTS_DIR)/adapter_standins_alone_test: tests/adapters/standins_test.cpp $(wildcard tests/cpp/*.hpp) $(LIBRARY)
	$(COMPILE_ADAPTER) -DBOX2D_TASKS_ALONE

test-adapter-hosts: $(LIBRARY)
	@CXX='$(CXX)' CC='$(CC)' scripts/adapter_hosts.sh $(TARGET) $(WARNINGS) -Werror -I$(TARGET)/include -- $(HOSTS)

valgrind: examples $(addprefix $(TESTS_DIR)/,$(C_TESTS))
	@scripts/valgrind.sh $(EX) $(addprefix $(TESTS_DIR)/,$(C_TESTS))

valgrind-all: examples $(addprefix $(TESTS_DIR)/,$(C_TESTS))
	@scripts/valgrind.sh --all $(EX) $(addprefix $(TESTS_DIR)/,$(C_TESTS))

verify:
	@scripts/verify.sh

# Needs the logs of a run: those of `make verify`, or of the steps loom and shuttle of `make test`.
verify-check:
	@scripts/verify.sh check

deletions:
	@scripts/deletions.sh

tsan miri asan-rust:
	@scripts/sanitize.sh $@

soak:
	VGPU_SOAK=1000000000 $(CARGO) test --locked --release --test stress_deque -- --nocapture --test-threads 1

numa-vm:
	@scripts/numa_vm.sh

numa-vm-large:
	@scripts/numa_vm.sh large

test-aarch64:
	@scripts/aarch64.sh

bench:
	@scripts/bench.sh

bench-quick:
	@scripts/bench.sh --quick

test:
	@scripts/test.sh

demo:
	@scripts/demo.sh

setup:
	@scripts/setup.sh

clean:
	rm -rf $(OUT) $(EX) $(TESTS_DIR) $(ASAN_DIR) $(TARGET)/bench $(TARGET)/report $(TARGET)/include $(TARGET)/check $(TARGET)/data $(TARGET)/venv $(WHEELS) $(TARGET)/python
