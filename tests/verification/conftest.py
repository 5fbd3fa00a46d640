from tests.simulators.docker_registry import open_registry

__all__ = ["open_registry"]
