$(eval $(call program,posternctl,cli,-lyaml -lidn2))
