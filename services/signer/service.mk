# SPDX-License-Identifier: MIT
$(eval $(call program,signer,services/signer,-lopendkim))
signer.borrows := tests/lib/bench.c
