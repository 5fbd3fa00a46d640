"""Incidents: what people are told once, when it changes, when it goes on and when it is over; beside it, silences."""
