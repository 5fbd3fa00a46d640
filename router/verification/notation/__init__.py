"""Signatures of the Notary Project (Notation): X.509 chains in envelopes of JWS or COSE. Pure."""
