-- expect: ok
for i = 1, 1000 do print(i) end
