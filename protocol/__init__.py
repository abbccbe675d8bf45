"""The pure core: what an entry is, what a dispute may do, how time is counted. No clock, no chance, no input or output."""
