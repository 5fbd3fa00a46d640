"""The whole configuration: one YAML file, validated as a whole before anything starts."""
