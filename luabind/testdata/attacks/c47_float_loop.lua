-- expect: budget
-- three in the morning: a step that is lost to rounding
for x = 1e16, 1e16 + 10, 0.1 do end
