-- expect: .
-- a key the table never had
next({}, "nope")
next(nil)
