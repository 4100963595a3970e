local function counter()
  local n = 0
  return function()
    n = n + 1
    return n
  end
end

chert.on("message.received", function(ev)
  local next_number = counter()
  local lines = {}
  for line in ev.text:gmatch("[^\r\n]+") do
    lines[#lines + 1] = next_number() .. ": " .. line
  end
  table.sort(lines, function(a, b)
    return #a < #b
  end)
  log.debug(table.concat(lines, "; "))
end)
