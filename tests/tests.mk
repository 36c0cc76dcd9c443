# tests/COMPONENT/test_*.c becomes build/tests/COMPONENT, over COMPONENT's archive and lib.
# COMPONENT.borrows: what it links of other components' helpers.
# tests/COMPONENT/fuzz_NOUN.c becomes build/fuzz/COMPONENT-NOUN (VARIANT=fuzz), with driver.c if
# there is one.
CHECK_LIBS := $(shell pkg-config --libs check 2>/dev/null)
COMPONENTS := $(sort $(patsubst tests/%/,%,$(dir $(wildcard tests/*/test_*.c))))

define test_runner
TESTS += $$(B)/tests/$(1)
$(1).tests := $$(wildcard tests/$(1)/test_*.c)
$(1).helpers := $$(filter-out $$($(1).tests) tests/$(1)/fuzz_%.c,$$(wildcard tests/$(1)/*.c)) $$($(1).borrows)
$$(B)/tests/$(1)/runner.c: tools/test-runner $$($(1).tests)
	@mkdir -p $$(@D)
	$$(call Q,GEN)tools/test-runner $$($(1).tests) > $$@
$$(B)/tests/$(1)/run: $$(B)/tests/$(1)/runner.o $$($(1).tests:%.c=$$(B)/%.o) $$($(1).helpers:%.c=$$(B)/%.o) $$(filter $$(B)/$(1).a,$$(PROGRAMS:%=$$(B)/%.a)) $$($(1).uses) $$(LIB)
	$$(call Q,LD)$$(CC) $$(LDFLAGS) -o $$@ $$^ $$($(1).libs) $$(CHECK_LIBS) $$(LDLIBS)
check-$(1): $$(B)/tests/$(1)/run
	@echo '  TEST $(1)'; $$<
.PHONY: check-$(1)
endef
$(foreach component,$(COMPONENTS),$(eval $(call test_runner,$(component))))
$(B)/tests/%/runner.o: $(B)/tests/%/runner.c
	$(call Q,CC)$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

FUZZERS := $(foreach f,$(wildcard tests/*/fuzz_*.c),$(subst /fuzz_,-,$(patsubst tests/%.c,%,$(f))))
define fuzz_target
$$(B)/fuzz/$(1)-$(2): $$(B)/tests/$(1)/fuzz_$(2).o $(patsubst %.c,$$(B)/%.o,$(wildcard tests/$(1)/driver.c)) $$(filter $$(B)/$(1).a,$$(PROGRAMS:%=$$(B)/%.a)) $$($(1).uses) $$(LIB)
	@mkdir -p $$(@D)
	$$(call Q,LD)$$(CC) $$(LDFLAGS) -fsanitize=fuzzer -o $$@ $$^ $$($(1).libs) $$(LDLIBS)
endef
$(foreach f,$(wildcard tests/*/fuzz_*.c),$(eval $(call fuzz_target,$(word 2,$(subst /, ,$(f))),$(patsubst fuzz_%.c,%,$(notdir $(f))))))

check: $(COMPONENTS:%=check-%)
runners: $(COMPONENTS:%=$(B)/tests/%/run)
fuzzers: $(FUZZERS:%=$(B)/fuzz/%)
.PHONY: check runners fuzzers
## make check          build and run the unit tests (VARIANT=asan: under ASan and UBSan)
## make check-NAME     those of one component: lib, smtp-gateway, scanner, …
