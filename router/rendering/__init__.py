"""Event and template to a document whose structure no value can break."""
