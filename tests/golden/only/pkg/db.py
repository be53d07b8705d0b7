def query(text):
    return clean(text)


def clean(text):
    return text.strip()
