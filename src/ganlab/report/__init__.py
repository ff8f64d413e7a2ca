"""What a person looks at: grids of images, and later the report of a run."""
