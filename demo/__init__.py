"""The main job once through, with real parts, told with numbers."""
