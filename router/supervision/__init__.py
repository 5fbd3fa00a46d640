"""Which processes there are: made by fork, watched, started again, ended together."""
