"""Sources of pictures: one file a published data set or file layout, each class a `Source`."""
