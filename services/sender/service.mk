# SPDX-License-Identifier: MIT
$(eval $(call program,sender,services/sender,-lm))
sender.borrows := tests/lib/bench.c
