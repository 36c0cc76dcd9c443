# For tests/chaos/powerloss: users of the bus without services, and what notes all that they do to
# files.
powerloss-player.uses := $(B)/sender.a
$(eval $(call program,powerloss-player,tests/chaos/powerloss/player,-lm))
$(B)/libpowerloss.so: tests/chaos/powerloss/preload.c
	@mkdir -p $(@D)
	$(call Q,LD)$(CC) $(CPPFLAGS) $(CFLAGS) -Wno-missing-prototypes -U_FORTIFY_SOURCE -fPIC -shared -o $@ $<
all: $(B)/libpowerloss.so
powerloss-player: $(B)/libpowerloss.so

powerloss: setup-test
	@$(MAKE) --no-print-directory -s -j2 VARIANT=chaos powerloss-player
	@tests/chaos/powerloss/run --seed $(or $(SEED),1) --seconds $(or $(DURATION),60) $(ARGS)
.PHONY: powerloss
## make powerloss      what a power cut leaves of the local engine (DURATION, SEED)
