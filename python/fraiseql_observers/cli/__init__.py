"""Arguments and output of the operator command; what they do is decided in the modules above this folder."""
