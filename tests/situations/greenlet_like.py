def producer():
    for i in range(3):
        got = yield i
        print("got", got)


def trampoline(*gens):
    gens = list(gens)
    sent = {g: None for g in gens}
    while gens:
        for g in list(gens):
            try:
                value = g.send(sent[g])
                sent[g] = value * 10
            except StopIteration:
                gens.remove(g)


trampoline(producer(), producer())
