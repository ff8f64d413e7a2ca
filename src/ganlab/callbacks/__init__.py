"""Lightning callbacks: logs, previews, evaluations, diagnostics, progress and checkpoints."""
