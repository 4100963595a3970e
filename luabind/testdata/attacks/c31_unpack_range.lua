-- expect: too many results
return unpack({}, -1e15, 1e15)
