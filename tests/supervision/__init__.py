"""Tests of the processes that one product consists of."""
