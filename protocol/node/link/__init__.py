"""How a node speaks with others over core NATS: its credentials, its connection, and the pump that sends and fetches entries."""
