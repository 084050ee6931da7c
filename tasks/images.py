"""Images: built and tested from a source, pushed to the registry, and found there by version."""

from __future__ import annotations

from tasks.building import build_image, remove_leftovers, run_test_stage
from tasks.pushing import push_image
from tasks.registry import image_uri, resolve_image

__all__ = ["build_image", "image_uri", "push_image", "remove_leftovers", "resolve_image", "run_test_stage"]
