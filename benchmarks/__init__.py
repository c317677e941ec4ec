"""Speed and scale, measured: each module prints a table, writes JSON, and goes on where it was interrupted."""
