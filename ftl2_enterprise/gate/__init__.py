"""What may reach a host or a model: effects, verdicts, permits, policy. Pure; the caller passes everything in."""
