from tests.simulators.docker_registry import htpasswd_registry, open_registry, token_registry

__all__ = ["htpasswd_registry", "open_registry", "token_registry"]
