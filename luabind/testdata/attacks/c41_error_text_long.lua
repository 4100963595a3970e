-- expect: .
error(string.rep("x", 8e6))
