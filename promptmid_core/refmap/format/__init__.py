"""The map's files: header, arrays, shards, manifest, lock."""
