# The one build graph. Everything lands in build/VARIANT/. `make help` lists what there is.
VARIANT ?= release
B       := $(or $(BUILD),build)/$(VARIANT)

PACKAGES := libevent_openssl libevent_pthreads libssl libcrypto sqlite3 rdkafka libprotobuf-c \
	libunbound jansson yaml-0.1 libcurl hiredis libidn2
CC.release := gcc
CC.debug   := gcc
CC.asan    := clang
CC.fuzz    := clang
CC.chaos   := gcc
CFLAGS.release := -O2 -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection
CFLAGS.debug   := -O0
CFLAGS.asan    := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
CFLAGS.fuzz    := $(CFLAGS.asan) -fsanitize=fuzzer-no-link -DFUZZING
CFLAGS.tests    := -Wno-missing-prototypes
CFLAGS.chaos   := -O2 -DCHAOS
LDFLAGS.release := -Wl,-z,relro,-z,now
LDFLAGS.asan    := -fsanitize=address,undefined
LDFLAGS.fuzz    := $(LDFLAGS.asan)

CC       := $(CC.$(VARIANT))
WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wvla \
	-Wimplicit-fallthrough -Wno-unused-parameter -Wno-missing-field-initializers \
	$(if $(CI),-Werror)
CFLAGS   := -std=gnu17 -g -fPIE -pthread $(WARNINGS) $(CFLAGS.$(VARIANT))
CPPFLAGS := -D_GNU_SOURCE -I. -I$(B)/gen $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
LDFLAGS  := -pie -pthread -Wl,--as-needed $(LDFLAGS.$(VARIANT))
LDLIBS   := $(shell pkg-config --libs $(PACKAGES) 2>/dev/null)

# make V=1 shows the commands.
Q = $(if $(V),,@echo '  $(1) $@';)

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:
.SECONDEXPANSION:

# proto/x.proto -> build/gen/proto/x.pb-c.[ch]
PROTO.h := $(patsubst %.proto,$(B)/gen/%.pb-c.h,$(wildcard proto/*.proto))
PROTO.o := $(PROTO.h:.h=.o)
$(B)/gen/%.pb-c.c $(B)/gen/%.pb-c.h: %.proto
	@mkdir -p $(B)/gen
	$(call Q,PROTO)protoc-c --c_out=$(B)/gen $<
$(PROTO.o): %.o: %.c | $(PROTO.h)
	$(call Q,CC)$(CC) $(CPPFLAGS) $(CFLAGS) -Wno-shadow -c -o $@ $<

$(B)/%.o: %.c | $(PROTO.h)
	@mkdir -p $(@D)
	$(call Q,CC)$(CC) $(CPPFLAGS) $(CFLAGS) $(CFLAGS.$(firstword $(subst /, ,$*))) -MMD -MP -c -o $@ $<

# ar keeps members that are gone, so every archive is made anew.
%.a:
	@mkdir -p $(@D) && rm -f $@
	$(call Q,AR)ar rcs $@ $^

LIB := $(B)/lib.a
LIB.c := $(wildcard lib/*.c lib/*/*.c lib/*/*/*.c)
$(LIB): $(LIB.c:%.c=$(B)/%.o) $(PROTO.o)

# $(call program,NAME,FOLDER,LIBRARIES): FOLDER's main.c over the archive of its other files. A
# sub-folder with a main.c is a program of its own. A folder FOLDER/NOUNs beside FOLDER/NOUN.h
# is a registry: each file there ends in `const struct NOUN <file>_NOUN`.
define program
PROGRAMS += $(1)
$(1).c := $$(filter-out $(2)/main.c $$(addsuffix /%,$$(patsubst %/main.c,%,$$(wildcard $(2)/*/main.c))),$$(wildcard $(2)/*.c $(2)/*/*.c))
$(1).registries := $$(foreach h,$$(wildcard $(2)/*.h),$$(if $$(wildcard $$(h:.h=s)/*.c),$$(h:.h=s)))
$$(B)/$(1).a: $$($(1).c:%.c=$$(B)/%.o) $$(patsubst %,$$(B)/%/registry.o,$$($(1).registries))
$$(B)/bin/$(1): $$(B)/$(2)/main.o $$(B)/$(1).a $$($(1).uses) $$(LIB)
	@mkdir -p $$(@D)
	$$(call Q,LD)$$(CC) $$(LDFLAGS) -o $$@ $$^ $(3) $$(LDLIBS)
$(1).libs := $(3)
$(1): $$(B)/bin/$(1)
.PHONY: $(1)
endef
$(B)/%/registry.c: tools/registry $$(wildcard $$*/*.c)
	@mkdir -p $(@D)
	$(call Q,GEN)tools/registry $* > $@
$(B)/%/registry.o: $(B)/%/registry.c | $(PROTO.h)
	$(call Q,CC)$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

include $(wildcard services/*/service.mk services/*/*/service.mk cli/service.mk tests/bench/bench.mk tests/chaos/chaos.mk)
include tests/tests.mk

all: $(PROGRAMS:%=$(B)/bin/%)

setup: ; @tools/install-packages run
setup-kafka: ; @tools/install-packages kafka
setup-test: ; @tools/install-packages test

# Packages first, then a make that sees what they brought.
run: setup $(if $(filter kafka,$(BUS)),setup-kafka)
	@$(MAKE) --no-print-directory -s -j2 all
	@tools/run $(if $(BUS),--bus $(BUS)) --bin $(B)/bin

test: setup-test
	@tools/test $(PARTS)

bench:
	@[ "$$(id -u)" = 0 ] || { echo "Postfix starts as root only: run make bench as root" >&2; exit 1; }
	@tools/install-packages bench
	@$(MAKE) --no-print-directory -s -j2 all
	@tests/bench/bench.py $(ARGS)

docs: all
	@tools/configuration-docs

chaos: setup-test setup-kafka
	@tests/chaos/chaos.py --seed $(or $(SEED),1) --duration $(or $(DURATION),600) $(ARGS)

format:
	clang-format -i $$(git ls-files -co --exclude-standard '*.c' '*.h')
clean:
	rm -rf build
help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)
## make                build all programs into build/release/bin
## make run            install what is missing, start everything on loopback, send sample mail
## make run BUS=kafka  the same on a real Kafka broker, which it starts
## make test           install what is missing, run all tests on both engines
## make bench          how fast, beside Postfix with OpenDKIM and clamav-milter (as root)
## make docs           write docs/CONFIGURATION.md anew
## make chaos          what survives: faults on both engines, and a verdict (DURATION, SEED)
## make format         clang-format everything
## make clean          remove build/
.PHONY: all setup setup-kafka setup-test run test bench docs chaos format clean help

-include $(shell find $(B) -name '*.d' 2>/dev/null)
