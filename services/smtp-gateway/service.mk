# SPDX-License-Identifier: MIT
$(eval $(call program,smtp-gateway,services/smtp-gateway,))
