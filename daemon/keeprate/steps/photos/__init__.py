"""Photos: what lies in the folders, what each looks like to a model, which are nearly the same."""
