"""Builds the .deb and the .rpm, both from packaging/nfpm.yaml."""
