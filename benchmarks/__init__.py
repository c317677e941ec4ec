"""Speed, quality and scale, measured: each module prints a table and writes JSON."""
