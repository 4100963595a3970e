-- expect: too long
return string.byte(string.rep("x", 1e6), 1, -1)
