"""Stands before site-packages on the path while pyperformance's programs are loaded."""
