"""Drawn cafeteria trays: pictures with exact outlines, made from a seed alone."""
