-- expect: ok
-- errors of every library function, caught and read
for _, lib in ipairs({ string, table, math }) do
  for name, fn in pairs(lib) do
    if type(fn) == "function" then
      local ok, e = pcall(fn, {}, {}, {})
      assert(ok or type(e) == "string", name)
      pcall(fn)
      pcall(fn, nil, nil)
      pcall(fn, 1e308, -1e308, 0 / 0)
      pcall(fn, ("x"):rep(1000), "%", "%")
    end
  end
end
