bench-load.uses := $(B)/tests/bench/stream.o
bench-sink.uses := $(B)/tests/bench/stream.o
$(eval $(call program,bench-load,tests/bench/load,))
$(eval $(call program,bench-sink,tests/bench/sink,))
