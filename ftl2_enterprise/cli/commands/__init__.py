"""The commands of `ftl2-enterprise`, a package for each capability; see `commandline.finder`."""
