"""Spec to plan to channels. Pure: no sockets, no threads, no clock."""
