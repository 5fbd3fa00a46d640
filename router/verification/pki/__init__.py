"""X.509 certificates and RFC 3161 timestamps as values, read in one way for every scheme. Pure.

What a certificate or a timestamp must be for a scheme is in the specification of that scheme, and so is it here.
"""
