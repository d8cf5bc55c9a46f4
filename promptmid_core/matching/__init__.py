"""Two descriptor maps in; peaks of their score surface and tie points out."""
