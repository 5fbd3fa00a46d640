"""What runs now, judged by the engine that judges what comes: what of it would be refused."""
