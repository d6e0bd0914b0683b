"""JSON Schema 2020-12, one file a kind."""
