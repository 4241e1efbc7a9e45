"""One part of each kind, as a package of your own would bring it; see CONTRIBUTING.md."""
