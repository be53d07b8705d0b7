def first(items):
    try:
        return next(iter(items))
    except StopIteration:
        return None


first([])
