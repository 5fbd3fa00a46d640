"""What `gatecrier verify` and `gatecrier check` have in common: by what is judged, and how answers are shown."""
