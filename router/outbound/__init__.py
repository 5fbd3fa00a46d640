"""What both registries and destinations need to send over HTTP: addresses, names, URLs, proxies, TLS, sessions."""
