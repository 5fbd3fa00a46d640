"""The kinds of destinations, one module each, unaware of each other; the catalogue lists them."""
