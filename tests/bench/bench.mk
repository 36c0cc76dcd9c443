bench-load.uses := $(B)/tests/bench/stream.o
bench-sink.uses := $(B)/tests/bench/stream.o
$(eval $(call program,bench-load,tests/bench/load,))
$(eval $(call program,bench-sink,tests/bench/sink,))

# A worker with a registry of its own, which comes before that in the archive.
$(B)/tests/bench/patterns/registry.o: CPPFLAGS += $(shell pkg-config --cflags libhs)
$(B)/bin/bench-worker: $(B)/tests/bench/patterns/registry.o $(B)/services/scanner/worker/main.o $(B)/scanner-worker.a $(scanner-worker.uses) $(LIB)
	@mkdir -p $(@D)
	$(call Q,LD)$(CC) $(LDFLAGS) -o $@ $^ $(scanner-worker.libs) $(LDLIBS)
PROGRAMS += bench-worker
