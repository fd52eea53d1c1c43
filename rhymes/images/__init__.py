"""Bytes -> checked, upright images; headers; downloads within limits."""
