"""Trusted roots that change while we run: taken from their repositories by TUF, kept, and told to whoever judges."""
