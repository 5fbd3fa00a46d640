"""Tests of the messages between our own processes."""
