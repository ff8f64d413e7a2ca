"""What the networks learned: features and classifiers upon them, what a feature looks for, what a feature map draws."""
