"""Avro records: the `.avsc` files, the wire codec and the registry client."""
