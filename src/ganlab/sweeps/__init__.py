"""Many runs: jobs on devices, tables."""
