"""The error of bundles."""


class BundleError(ValueError):
    """A bundle cannot be written or loaded; the message gives the reason and the remedy."""
