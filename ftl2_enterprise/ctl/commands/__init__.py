"""The commands of `ftl2ctl`: one package per capability, one module per command; see `commandline.finder`."""
