"""From a Rhymes export to a served detector: what stages, page and commands are made of."""
