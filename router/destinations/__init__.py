"""How each service wants to be told, and what its answers mean."""
