"""The county's NATS: who may say what (identity, permissions), who is who on the wire (certificates), and the servers themselves."""
