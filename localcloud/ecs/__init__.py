"""ECS: moto keeps what was asked for, a scheduler and Docker containers do it."""
