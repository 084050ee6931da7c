"""Verificadores, the API: people ask for a claim to be verified, verifiers answer."""
