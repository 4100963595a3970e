-- expect: budget
-- shifting from a position far below
table.insert({ 1, 2, 3 }, -1e12, 4)
