"""Plots, the HTML page and the terminal table."""
