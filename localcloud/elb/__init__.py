"""Elastic Load Balancing v2: moto keeps what was asked for, Envoy and real health probes do it."""
