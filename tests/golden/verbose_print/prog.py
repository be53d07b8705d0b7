def say(text):
    print(text)


say("one")
print("two")
