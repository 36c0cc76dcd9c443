$(eval $(call program,bench-load,tests/bench/load,))
$(eval $(call program,bench-sink,tests/bench/sink,))
