"""A small bank with the habits of an old site. It knows nothing of anything in front of it."""
