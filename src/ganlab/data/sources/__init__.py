"""Where pictures come from: one file a published set or kind of files, each class a `ganlab.data.source.Source`."""
