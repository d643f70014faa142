"""Commands about rules, which decide without a model."""
