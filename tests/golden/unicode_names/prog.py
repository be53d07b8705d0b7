def größe(breite):
    return "日本 " + breite


größe("é\u200b")
