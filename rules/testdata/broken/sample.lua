chert.rule({ name = "a", on = "message.received", sample = 10, run = print }) --> "sample must be .* above 0 and up to 1"
