"""cosign's signatures with pinned keys, in both formats. Pure."""
