"""The parts that cosign schemes share: the Sigstore bundle, the DSSE envelope, the in-toto statement. Pure."""
