"""A judge: the running evidence on two arms under one policy, one call at a time or in batches, to the same bits."""
