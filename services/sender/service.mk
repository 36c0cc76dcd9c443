$(eval $(call program,sender,services/sender,-lidn2))
