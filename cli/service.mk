$(eval $(call program,posternctl,cli,))
