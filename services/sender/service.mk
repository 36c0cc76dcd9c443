$(eval $(call program,sender,services/sender,-lm))
