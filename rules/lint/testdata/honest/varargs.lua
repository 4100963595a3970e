local function any(...)
  for i = 1, select("#", ...) do
    if (select(i, ...)) then
      return true
    end
  end
  return false
end

local function first(...)
  return arg[1]
end

local function all(list, test)
  for _, x in ipairs(list) do
    if not test(x) then
      return false
    end
  end
  return true
end

chert.on("message.received", function(ev)
  local t = ev.text
  if any(t:find("yes"), t:find("ok")) and first(t) ~= "" and all({ "a", "b" }, function(x)
    return not t:find(x, 1, true)
  end) then
    chert.mark_read(ev.chat.id)
  end
end)
