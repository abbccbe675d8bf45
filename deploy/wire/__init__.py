"""What travels between nodes, made up from the demo's generator: for training the wire's dictionary and for measuring its size."""
