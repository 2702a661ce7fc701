"""Soaks services that are known to be steady, to leak and to slow down, side by side, and holds SOK-1 against them."""
