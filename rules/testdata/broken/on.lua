chert.rule({ name = "b", on = {}, run = print }) --> "on"
