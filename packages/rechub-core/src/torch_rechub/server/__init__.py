"""The HTTP server of bundles; installed by the extra ``serve``."""
