$(eval $(call program,scanner,services/scanner))
# The two ends of a wire share this.
scanner-worker.uses := $(patsubst %,$(B)/services/scanner/%.o,folder wire)
$(eval $(call program,scanner-worker,services/scanner/worker,-lclamav -lgmime-3.0 -lgobject-2.0 -lglib-2.0 -lhs -lseccomp))
$(B)/services/scanner/worker/%.o $(B)/tests/scanner-worker/%.o: CPPFLAGS += $(shell pkg-config --cflags gmime-3.0 libhs)

# One is of no use without the other.
scanner: $(B)/bin/scanner-worker

# For tests: a worker program that does what hostile mail might make it do.
$(B)/tests/scanner/hostile-worker: $(B)/tests/scanner/hostile/main.o $(B)/scanner-worker.a $(scanner-worker.uses) $(LIB)
	$(call Q,LD)$(CC) $(LDFLAGS) -o $@ $^ $(scanner-worker.libs) $(LDLIBS)
$(B)/tests/scanner/run: | $(B)/tests/scanner/hostile-worker $(B)/bin/scanner-worker $(B)/bin/scanner
